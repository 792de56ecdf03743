import type { EndpointView } from '../core/endpoint.ts';
import type { Kit } from '../core/kit.ts';
import { type RandomHex, randomHex } from '../core/random-hex.ts';
import { Code, type Status } from '../core/status.ts';
import { asker, type Question } from './question.ts';

/** What an app says of itself; `unknown` when it does not serve health, or not to us. */
export type Health = 'serving' | 'failing' | 'unknown';

/** Asks the app behind an endpoint; always settles. */
export type Probe = (endpoint: EndpointView) => Promise<Health>;

/** Longest answer that is read; a HealthCheckResponse has 7 bytes with its prefix. */
const longestAnswer = 256;

/** One message of no bytes: a HealthCheckRequest for the whole server. */
const messages: readonly Uint8Array[] = [new Uint8Array(0)];

/**
 * Asks `grpc.health.v1.Health/Check` over the endpoint's shared connection, past its gate. `timeoutMs` bounds the
 * question, waiting for a connection included; no answer by then is `failing`.
 *
 * Ref: gRPC Health Checking Protocol (doc/health-checking.md).
 */
export const healthProbe = (kit: Kit, timeoutMs = 1000, hex: RandomHex = randomHex()): Probe => {
  const ask = asker(kit, hex);
  const question: Question = {
    what: 'a health check',
    method: '/grpc.health.v1.Health/Check',
    messages,
    mostBytes: longestAnswer,
    longer: 'cut',
    timeoutMs,
  };
  return async (endpoint) => {
    const { status, bytes } = await ask(endpoint, question);
    return healthOf(status, bytes);
  };
};

/** What the end of a Check says. `answer` is a length-prefixed HealthCheckResponse. */
export const healthOf = (status: Status, answer: ArrayLike<number>): Health => {
  switch (status.code) {
    case Code.OK:
      return servingStatus(answer);
    case Code.UNIMPLEMENTED:
    case Code.NOT_FOUND:
    case Code.PERMISSION_DENIED:
    case Code.UNAUTHENTICATED:
      return 'unknown';
    default:
      return 'failing';
  }
};

/** Reads field 1 of the message, the enum ServingStatus: 0 UNKNOWN (and absent), 1 SERVING, 2 NOT_SERVING. */
const servingStatus = (answer: ArrayLike<number>): Health => {
  const compressed = answer[0] !== 0;
  if (compressed || answer.length <= 5 || answer[5] !== 0x08) return 'unknown';
  if (answer[6] === 1) return 'serving';
  return answer[6] === 0 ? 'unknown' : 'failing';
};

import type { Body } from '../core/body.ts';
import { type Arrival, type Attempt, Call } from '../core/call.ts';
import type { EndpointView } from '../core/endpoint.ts';
import type { Kit } from '../core/kit.ts';
import { Life } from '../core/life.ts';
import { unruled } from '../core/policy.ts';
import type { Fields, Reply, ReplySink } from '../core/reply.ts';
import { noRoutes } from '../core/routes.ts';
import type { Snapshot } from '../core/snapshot.ts';
import { Code, ended, type Status } from '../core/status.ts';
import type { Timer } from '../core/wheel.ts';
import { type RandomHex, randomHex } from '../policies/random-hex.ts';

/** What an app says of itself; `unknown` when it does not serve health, or not to us. */
export type Health = 'serving' | 'failing' | 'unknown';

/** Asks the app behind an endpoint; always settles. */
export type Probe = (endpoint: EndpointView) => Promise<Health>;

/** Longest answer that is read; a HealthCheckResponse has 7 bytes with its prefix. */
const longestAnswer = 256;

/**
 * Asks `grpc.health.v1.Health/Check` over the endpoint's shared connection, past its gate. `timeoutMs` bounds the
 * question, waiting for a connection included; no answer by then is `failing`.
 *
 * Ref: gRPC Health Checking Protocol (doc/health-checking.md).
 */
export const healthProbe = (kit: Kit, timeoutMs = 1000, hex: RandomHex = randomHex()): Probe => {
  return (endpoint) =>
    new Promise((resolve) => {
      const question = new Question(kit, endpoint, timeoutMs, hex, resolve);
      question.ask();
    });
};

/** One Check on its way: its deadline, its answer. */
class Question implements Timer, ReplySink {
  slot = -1;
  dueAt = 0;
  before: Timer | null = null;
  after: Timer | null = null;
  readonly #kit: Kit;
  readonly #timeoutMs: number;
  readonly #attempt: Attempt;
  readonly #resolve: (health: Health) => void;
  readonly #answer: number[] = [];
  #reply: Reply | null = null;

  constructor(
    kit: Kit,
    endpoint: EndpointView,
    timeoutMs: number,
    hex: RandomHex,
    resolve: (health: Health) => void,
  ) {
    this.#kit = kit;
    this.#timeoutMs = timeoutMs;
    this.#attempt = { call: checkCall(kit, timeoutMs, hex), endpoint, previous: 0 };
    this.#resolve = resolve;
  }

  ask(): void {
    this.#kit.wheel.arm(this, this.#timeoutMs);
    this.#attempt.endpoint.send(this.#attempt).then(
      (reply) => {
        this.#reply = reply;
        reply.attach(this);
      },
      (bug) => this.finish(ended(Code.INTERNAL, String(bug)), []),
    );
  }

  relay(chunk: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end && this.#answer.length < longestAnswer; at++) this.#answer.push(chunk[at]!);
    this.#reply?.taken(end - start);
  }

  finish(status: Status, _trailers: Fields): void {
    this.#kit.wheel.disarm(this);
    this.#attempt.call.life.settle(status);
    this.#resolve(healthOf(status, this.#answer));
  }

  /** The pending reply settles by the cancellation, so `finish` follows. */
  expire(): void {
    this.#attempt.call.life.cancel(
      ended(Code.DEADLINE_EXCEEDED, `no answer to a health check within ${this.#timeoutMs} ms`),
    );
  }
}

/** What the end of a Check says. `answer` is a length-prefixed HealthCheckResponse. */
export const healthOf = (status: Status, answer: readonly number[]): Health => {
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
const servingStatus = (answer: readonly number[]): Health => {
  const compressed = answer[0] !== 0;
  if (compressed || answer.length <= 5 || answer[5] !== 0x08) return 'unknown';
  if (answer[6] === 1) return 'serving';
  return answer[6] === 0 ? 'unknown' : 'failing';
};

const checkCall = ({ clock }: Kit, timeoutMs: number, hex: RandomHex): Call => {
  const now = clock.now();
  const arrival: Arrival = {
    method: '/grpc.health.v1.Health/Check',
    authority: '',
    port: '',
    words: noWords,
    metadata: ['content-type', 'application/grpc'],
    never: null,
    caller: '',
    arrivedAt: now,
    body: emptyMessage,
    life: new Life(now),
    snapshot: nothing,
  };
  return new Call(arrival).identified(hex(16), `00-${hex(16)}-${hex(8)}-00`, '', '').until(now + timeoutMs);
};

const noWords = Object.freeze({
  requestId: '',
  traceparent: '',
  tracestate: '',
  baggage: '',
  timeout: '',
  service: '',
  token: '',
  priority: '',
});

/** One message of no bytes: a HealthCheckRequest for the whole server. */
const emptyMessage: Body = Object.freeze({
  replayable: true,
  ended: true,
  attach: (sink: Parameters<Body['attach']>[0]) => {
    sink.write(new Uint8Array(5), 0, 5);
    sink.end();
  },
  detach: () => {},
  taken: () => {},
  branch: () => null,
  commit: () => {},
});

/** A probe looks nothing up. */
const nothing: Snapshot = Object.freeze({
  version: 0,
  madeAt: 0,
  services: new Map(),
  asked: new Map(),
  access: { intentions: [], allowByDefault: false, because: 'a probe asks nobody' },
  flags: new Map(),
  policies: unruled(),
  ...noRoutes,
});

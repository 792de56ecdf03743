import type { EndpointView } from '../core/endpoint.ts';
import type { Policy } from '../core/policy.ts';
import type { Reply } from '../core/reply.ts';
import { Code } from '../core/status.ts';
import { leastBad } from './least-bad.ts';

/** Whether a failed attempt may be followed by another: because no app saw it, or because the method bears it. */
export type Repeatable = 'unseen' | 'idempotent' | null;

/**
 * What lets a call be sent again after this reply; null when it is an answer.
 *
 * `unseen` is what was not reached and is UNAVAILABLE: refused connections, REFUSED_STREAM, streams above a GOAWAY's
 * last id, a peer's sidecar whose app is gone. A rule of the mesh (PERMISSION_DENIED) would say the same again. A
 * deadline is the call's, and over for every attempt. A stream whose head has come is the answer (gRFC A6); of a unary
 * method nobody has seen a head whose reply is over already.
 */
export const repeatable = ({ over, head }: Reply, { unary, idempotent, retry }: Policy): Repeatable => {
  if (over === null) return null;
  if (head === null && over.code === Code.UNAVAILABLE && !over.reached) return 'unseen';
  if (head !== null && !unary) return null;
  const isListed = over.code !== Code.DEADLINE_EXCEEDED && retry.codes.some((code) => code === over.code);
  return idempotent && isListed ? 'idempotent' : null;
};

/**
 * Whether the next attempt goes where no earlier one was, and can be reached. Asked of the policy by which balance
 * chooses: it takes an available endpoint again before a fresh one whose gate is shut.
 */
export const meetsAnother = (endpoints: readonly EndpointView[], met: readonly EndpointView[]): boolean => {
  const next = leastBad(endpoints, met);
  return next?.reachable === true && !met.includes(next);
};

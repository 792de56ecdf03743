import { Code, type Status } from '../core/status.ts';

/** What an attempt's end says about its endpoint. */
export type Verdict = 'success' | 'failure' | 'neutral';

/** An attempt that had less time than this says nothing by running out of it. */
const veryShortMs = 10;

/**
 * Judges an endpoint by how an attempt ended there. `grantedMs` is the time that the attempt had when it began,
 * Infinity without a deadline.
 *
 * - failure: UNAVAILABLE from anybody, DEADLINE_EXCEEDED, whatever the transport decided
 * - neutral: the caller cancelled; a deadline that left less than 10 ms; an idle stream ended by us (a deadline
 *   that was never there); any other refusal by a rule of the mesh, which tells of rules and not of health
 * - success: every other answer of the app, errors of its own included
 */
export const verdictOf = (status: Status, grantedMs: number): Verdict => {
  if (status.code === Code.UNAVAILABLE) return 'failure';
  if (status.code === Code.DEADLINE_EXCEEDED) {
    if (grantedMs < veryShortMs) return 'neutral';
    return status.from === 'mesh' && grantedMs === Number.POSITIVE_INFINITY ? 'neutral' : 'failure';
  }
  if (status.from === 'peer') return 'success';
  return status.code === Code.CANCELLED || status.from === 'mesh' ? 'neutral' : 'failure';
};

import type { Verdict } from '../core/endpoint.ts';
import { Code, type Status } from '../core/status.ts';

/** An attempt that had less time than this says nothing by running out of it. */
const veryShortMs = 10;

/** A caller that goes away when its time is over does so a moment before or after we notice: so near, at most. */
const nearlyMs = 20;

/**
 * Judges an endpoint by how an attempt ended there. `grantedMs` is the time that the attempt had when it began,
 * `leftMs` what is left of it; both are Infinity without a deadline.
 *
 * - failure: UNAVAILABLE from anybody, DEADLINE_EXCEEDED, a caller that went away when its time was over, whatever
 *   else the transport decided, ours or that of a verified sidecar behind which the app broke off
 * - busy: RESOURCE_EXHAUSTED, unless it is our own
 * - neutral: the caller cancelled; a deadline that left less than 10 ms; an idle stream ended by us (a deadline
 *   that was never there); any other refusal by a rule of the mesh, which tells of rules and not of health
 * - success: every other answer of the app, errors of its own included
 */
export const verdictOf = (status: Status, grantedMs: number, leftMs: number): Verdict => {
  if (status.code === Code.UNAVAILABLE) return 'failure';
  if (status.code === Code.DEADLINE_EXCEEDED) {
    if (grantedMs < veryShortMs) return 'neutral';
    return status.from === 'mesh' && grantedMs === Number.POSITIVE_INFINITY ? 'neutral' : 'failure';
  }
  if (status.code === Code.RESOURCE_EXHAUSTED && status.from !== 'mesh') return 'busy';
  if (status.from === 'peer') return status.isBroken === true ? 'failure' : 'success';
  if (
    status.code === Code.CANCELLED &&
    grantedMs >= veryShortMs &&
    leftMs <= Math.min(nearlyMs, grantedMs / 10)
  )
    return 'failure';
  return status.code === Code.CANCELLED || status.from === 'mesh' ? 'neutral' : 'failure';
};

/**
 * Judges a whole service by how a call to it ended, further attempts included; the times are those of the call. What
 * we refused ourselves below (no instance, no time, no room) tells nothing of the service.
 */
export const serviceVerdictOf = (status: Status, grantedMs: number, leftMs: number): Verdict =>
  status.from === 'mesh' && !status.reached ? 'neutral' : verdictOf(status, grantedMs, leftMs);

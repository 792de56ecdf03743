import type { Call } from '../core/call.ts';
import { carries, joined } from './baggage.ts';

/** Whoever may repeat a call that was reached leaves this in its baggage, and apps pass it on with the calls they make. */
const mark = 'outrigger.retry';
const member = `${mark}=1`;

/**
 * The call with the mark of who repeats it; null where somebody above does so already, or where the baggage has no
 * room: who cannot tell those below must not repeat, or each layer would multiply the attempts of the one above.
 */
const claimed = (call: Call): Call | null => {
  if (carries(call.baggage, mark)) return null;
  const baggage = joined(call.baggage, member);
  return baggage === null ? null : call.carrying(baggage);
};

/** The call as one that is tried again here after it was reached; null when it must not be. */
export const claimedForRetry = (call: Call): Call | null => {
  const { idempotent, retry } = call.policy;
  return idempotent && retry.attempts > 1 && retry.codes.length > 0 ? claimed(call) : null;
};

/** The call as one that is hedged here; null when it must not be: then it is tried again as any other. */
export const claimedForHedges = (call: Call): Call | null => {
  const { idempotent, hedge } = call.policy;
  return idempotent && hedge.after !== null ? claimed(call) : null;
};

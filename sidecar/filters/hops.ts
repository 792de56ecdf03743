import type { Call } from '../core/call.ts';
import type { Filter } from '../core/filter.ts';
import type { Kit } from '../core/kit.ts';
import { refusal } from '../core/reply.ts';
import { Code, refused } from '../core/status.ts';
import { hopsIn } from '../policies/hops.ts';

/** How far calls may come. */
export interface HopsSettings {
  /** Services, one behind the other, that one call may come through. */
  readonly most: number;
}

/** Deeper than any call tree that somebody meant, and the next to nothing that a circle costs. */
const hopsDefaults: HopsSettings = { most: 16 };

/**
 * Ends a call that has come through too many services, because it most likely runs in a circle.
 *
 * Above   all that waits or is sent: so that a circle costs its peers nothing
 * Reads   baggage
 * Answers RESOURCE_EXHAUSTED
 * Counts  outrigger_hops_exceeded_total
 * Keeps   nothing
 * Status  alpha
 *
 * The count is written on the way in, by correlate, and read on the way out: the sidecar that a call would leave by
 * ends it. An app that passes no baggage on begins anew.
 */
export const hops = ({ meter }: Kit, { most }: HopsSettings = hopsDefaults): Filter<Call> => {
  const exceeded = meter.count('outrigger_hops_exceeded_total');
  return function hops(call, next) {
    // As it came: what the limits of baggage cut off must not make a call younger.
    const { baggage } = call.arrival.words;
    if (baggage === '' || hopsIn(baggage) < most) return next(call);
    exceeded.value++;
    return refusal(
      refused(
        Code.RESOURCE_EXHAUSTED,
        `the call has come through ${hopsIn(baggage)} services, and may come through ${most} (set by limits.hops): do they call each other in a circle?`,
      ),
    );
  };
};

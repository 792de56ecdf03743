import type { Call } from '../core/call.ts';
import type { Filter } from '../core/filter.ts';
import type { Kit } from '../core/kit.ts';
import type { Count } from '../core/meter.ts';
import type { Progress } from '../core/progress.ts';

/** Methods that are counted by name; they are the app's to choose. */
const mostMethods = 200;

/** Said once for each method. */
const lost =
  'a call lost its context: it says nothing of the call that it is for. Pass on traceparent and baggage, or use the SDK; with OUTRIGGER_DEV=1 that shows who made the call';

/**
 * Counts calls out that belong to no call in though some are in progress: most likely their context was lost.
 *
 * Above   all that uses the context: so that what is counted is what the app said
 * Reads   x-outrigger-token, traceparent and baggage as they came; how many calls are in progress on the way in
 * Answers nothing
 * Counts  outrigger_context_lost_total
 * Keeps   the cells of up to 200 methods; later ones share `other`
 * Status  alpha
 *
 * Without its context a call has no deadline, no correlation id and no flags of the tree that it belongs to. The SDK sends
 * the token of the call that it serves, and `-` for work of the app's own; an app of another make that passes on
 * `traceparent` or `baggage`, as every OpenTelemetry library does, has lost nothing.
 */
export const context = ({ meter, log }: Kit, progress: Progress): Filter<Call> => {
  const counts = new Map<string, Count>();
  return function context(call, next) {
    if (progress.running === 0) return next(call);
    const { token, traceparent, baggage } = call.arrival.words;
    if (token !== '' || traceparent !== '' || baggage !== '') return next(call);
    const method = counts.has(call.method) || counts.size < mostMethods ? call.method : 'other';
    let count = counts.get(method);
    if (count === undefined) {
      count = meter.count('outrigger_context_lost_total', method);
      counts.set(method, count);
      log.warn({ method, inProgress: progress.running }, lost);
    }
    count.value++;
    return next(call);
  };
};

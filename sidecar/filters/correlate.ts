import type { Call } from '../core/call.ts';
import { cleanId } from '../core/clean-id.ts';
import type { Filter } from '../core/filter.ts';
import type { Kit } from '../core/kit.ts';
import { type RandomHex, randomHex } from '../core/random-hex.ts';
import { bounded } from '../policies/baggage.ts';
import { idIn, withId } from '../policies/correlation.ts';
import { withHops } from '../policies/hops.ts';
import { validTraceparent } from '../policies/traceparent.ts';

/**
 * Gives a call the names it is followed by: correlation id, trace context, baggage.
 *
 * Above   everything: so that every line below can be told apart
 * Reads   x-request-id, traceparent, tracestate, baggage
 * Answers nothing
 * Counts  outrigger_ids_rejected_total, outrigger_baggage_trimmed_total
 * Keeps   a pool of random bytes
 * Status  alpha
 *
 * A clean id and a valid traceparent pass unchanged (where there is a span of ours, trace puts it in); else they are made,
 * with the sampled flag off. tracestate is dropped when its traceparent was not believed (W3C Trace Context 3.3).
 * On the way in the hop is counted and the id is noted, both in baggage, because that is what apps pass on.
 */
export const correlate = (
  { meter }: Kit,
  direction: 'outbound' | 'inbound',
  hex: RandomHex = randomHex(),
): Filter<Call> => {
  const idsRejected = meter.count('outrigger_ids_rejected_total', direction);
  const trimmed = meter.count('outrigger_baggage_trimmed_total', direction);
  return function correlate(call, next) {
    const words = call.arrival.words;
    // An app that passes on baggage and no id, as OpenTelemetry's libraries do, keeps the id all the same.
    let id = words.requestId !== '' || words.baggage === '' ? words.requestId : idIn(words.baggage);
    if (!cleanId(id)) {
      if (id !== '') idsRejected.value++;
      id = hex(16);
    }
    call.life.id = id;
    let { traceparent, tracestate } = words;
    if (!validTraceparent(traceparent)) {
      traceparent = `00-${hex(16)}-${hex(8)}-00`;
      tracestate = '';
    }
    const said = direction === 'inbound' ? withId(withHops(words.baggage, 1), id) : words.baggage;
    let baggage = bounded(said);
    if (baggage.length !== said.length) {
      trimmed.value++;
      baggage = bounded(withHops(said, 0));
    }
    return next(call.identified(id, traceparent, tracestate, baggage));
  };
};

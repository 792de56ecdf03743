import type { Call } from '../core/call.ts';
import type { Filter } from '../core/filter.ts';
import { Code, ended } from '../core/status.ts';
import type { Tracing } from '../core/trace.ts';
import { nameInAuthority, plainName } from '../policies/service-name.ts';

/**
 * Tells of a call as a span, if its trace is sampled, and makes that span the parent of what comes after.
 *
 * Above   every refusal: so that a refusal is a span, with its reason
 * Reads   traceparent, as it came and as correlate made it
 * Answers nothing
 * Counts  outrigger_spans_total, through whoever keeps the spans
 * Keeps   nothing
 * Status  alpha
 *
 * In the stack only where tracing is on. A call that is not sampled passes as it is: no object is made for it, and its
 * traceparent stays what it was.
 */
export const trace = ({ tracer, samples }: Tracing, direction: 'outbound' | 'inbound'): Filter<Call> =>
  function trace(call, next) {
    // What correlate did not believe it has replaced: then the trace begins here.
    const isRoot = call.traceparent !== call.arrival.words.traceparent;
    if (!samples(call.traceparent, isRoot)) return next(call);
    const service = direction === 'inbound' ? call.arrival.caller : serviceOf(call);
    const span = tracer.begin(call, { direction, service, isRoot });
    if (span === null) return next(call);
    call.life.witnessAsSpan(span);
    try {
      return next(call.traced(span, span.traceparent));
    } catch (bug) {
      call.life.forgetSpans();
      span.over(ended(Code.INTERNAL, 'a filter threw'));
      throw bug;
    }
  };

/** The service that a call names before it is routed, or the empty string. */
const serviceOf = ({ arrival: { words, port, authority } }: Call): string => {
  if (words.service !== '') return plainName(words.service).name;
  return port === '' ? nameInAuthority(authority).name : port;
};

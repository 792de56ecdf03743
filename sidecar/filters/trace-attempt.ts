import type { Attempt } from '../core/call.ts';
import type { Filter, Service } from '../core/filter.ts';
import type { Reply } from '../core/reply.ts';
import { Code, ended } from '../core/status.ts';
import type { CallSpan } from '../core/trace.ts';

/**
 * Tells of each attempt as a span of its own, so that a retry and its endpoint can be seen.
 *
 * Above   the transport: so that the attempt is the parent of what its peer does
 * Reads   call.span, reply.over, life.outcome
 * Answers nothing
 * Counts  outrigger_spans_total, through whoever keeps the spans
 * Keeps   nothing
 * Status  alpha
 *
 * In the stack only where tracing is on. Like eject, it is beside the attempt: the reply passes at once. One that is over
 * as it is handed on ends the span, else the call's end does, for there will be no other attempt.
 */
export const traceAttempt = (): Filter<Attempt> =>
  function traceAttempt(attempt, next) {
    const { span } = attempt.call;
    // Not async: most calls are not sampled, and must not pay for a promise more.
    return span === null ? next(attempt) : told(span, attempt, next);
  };

const told = async (tracing: CallSpan, attempt: Attempt, next: Service<Attempt>): Promise<Reply> => {
  const { call, endpoint, begunAt, previous, beside = false } = attempt;
  const span = tracing.attempt(attempt);
  try {
    const traced = call.traced(tracing, span.traceparent);
    // Field by field, as balance does: a copy by spreading has a shape of its own, for which all below would be slower.
    const reply = await next({ call: traced, endpoint, begunAt, previous, beside });
    if (reply.over === null) call.life.witnessAsSpan(span);
    else span.over(reply.over);
    return reply;
  } catch (bug) {
    span.over(ended(Code.INTERNAL, 'a filter threw'));
    throw bug;
  }
};

import type { Attempt } from '../core/call.ts';
import type { Filter } from '../core/filter.ts';
import { Code, ended } from '../core/status.ts';

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
  async function traceAttempt(attempt, next) {
    const { call } = attempt;
    if (call.span === null) return next(attempt);
    const span = call.span.attempt(attempt);
    try {
      const reply = await next({ ...attempt, call: call.traced(call.span, span.traceparent) });
      if (reply.over === null) call.life.witness(span);
      else span.over(reply.over);
      return reply;
    } catch (bug) {
      span.over(ended(Code.INTERNAL, 'a filter threw'));
      throw bug;
    }
  };

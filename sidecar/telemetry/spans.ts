import type { Kit } from '../core/kit.ts';
import type { Tracer } from '../core/trace.ts';
import { OneSpan, type SpanGround, type SpanKeeper } from './one-span.ts';

/** Tells of calls as spans that `keeper` keeps. */
export const spanTracer = ({ clock, meter }: Pick<Kit, 'clock' | 'meter'>, keeper: SpanKeeper): Tracer => {
  const counts = {
    outbound: meter.count('outrigger_spans_total', 'outbound'),
    inbound: meter.count('outrigger_spans_total', 'inbound'),
    attempt: meter.count('outrigger_spans_total', 'attempt'),
  };
  const ground: SpanGround = { keeper, clock, counts };
  return {
    begin: (call, facts) => {
      const span = new OneSpan(ground, call, facts, clock.wall() - clock.now());
      const traceparent = keeper.begin(span);
      if (traceparent === null) return null;
      span.traceparent = traceparent;
      counts[facts.direction].value++;
      return span;
    },
  };
};

import type * as Api from '@opentelemetry/api';
import type { Kit } from '../core/kit.ts';
import { randomHex } from '../core/random-hex.ts';
import { traceIdOf } from '../core/span-words.ts';
import { timer } from '../core/wheel.ts';
import type { OneSpan, SpanKeeper } from './one-span.ts';
import type { SpanSink } from './otlp-sink.ts';
import { writeSpan } from './otlp-span.ts';

/** Spans that are written in one go: code that runs once in a millisecond is in no cache, and costs six times as much. */
const groupSpans = 16;
/** Longest time that a span waits for others, in milliseconds; the batch that it goes into waits for seconds. */
const groupMs = 100;

/**
 * Makes spans itself, and writes them in the octets that are sent. One of OpenTelemetry's own is some 3 KiB in many
 * objects, which live until they are exported and are moved by every collection until then.
 */
export const ownKeeper = ({ wheel }: Pick<Kit, 'wheel'>, api: typeof Api, sink: SpanSink): SpanKeeper => {
  const spanId = spanIds();
  const group: (OneSpan | null)[] = new Array(groupSpans).fill(null);
  let count = 0;
  const flush = (): void => {
    const ended = count;
    count = 0;
    for (let at = 0; at < ended; at++) {
      const span = group[at]!;
      group[at] = null;
      sink.take(writeSpan(sink.page, span, tracestateOf(api, span)));
    }
  };
  const late = timer(flush);
  return {
    // Who asks for a span has decided that there is one: the variables' sampler was asked before.
    begin: (span) => {
      // Of an attempt it is in the call's: text that was put together is costly to take apart.
      span.trace = span.above === null ? `00-${traceIdOf(span.parent)}-` : span.above.trace;
      return `${span.trace}${spanId()}-01`;
    },
    end: (span) => {
      group[count++] = span;
      if (count === groupSpans) flush();
      else if (late.slot < 0) wheel.arm(late, groupMs);
    },
    close: () => {
      wheel.disarm(late);
      flush();
    },
  };
};

/** Makes ids of spans, as many as a group has in one go. */
const spanIds = (): (() => string) => {
  const hex = randomHex();
  const ids: string[] = [];
  return () => {
    if (ids.length === 0) for (let made = 0; made < groupSpans; made++) ids.push(hex(8));
    return ids.pop()!;
  };
};

/** What is exported of it: members that are none are left out, as OpenTelemetry would. */
const tracestateOf = (api: typeof Api, { isRoot, tracestate }: OneSpan): string =>
  isRoot || tracestate === '' ? '' : api.createTraceState(tracestate).serialize();

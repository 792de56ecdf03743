import type * as Api from '@opentelemetry/api';
import type * as Sdk from '@opentelemetry/sdk-node';
import { randomHex } from '../core/random-hex.ts';
import { rpcMethod } from '../core/span-words.ts';
import { kindOf } from './api-keeper.ts';
import type { SpanKeeper } from './one-span.ts';
import { attributesOf, isError, type SpanNotes, whyOf } from './span-notes.ts';

/** What exporters read. As OpenTelemetry's own, but that a root says of its parent that there is none. */
type ReadableSpan = Omit<Sdk.tracing.ReadableSpan, 'parentSpanContext'> & {
  readonly parentSpanContext?: Api.SpanContext | undefined;
};

/** Where a tracer of OpenTelemetry hands its spans, and what it says of all of them. */
export interface SpanSink {
  readonly processor: { onEnd(span: ReadableSpan): void };
  readonly resource: ReadableSpan['resource'];
  readonly scope: ReadableSpan['instrumentationScope'];
  readonly limits: SpanLimits;
}

/** What a span may have at most, as the variables say. */
interface SpanLimits {
  /** Characters of a text. */
  readonly attributeValueLengthLimit?: number;
  readonly attributeCountLimit?: number;
  readonly linkCountLimit?: number;
}

/** What a tracer of @opentelemetry/sdk-trace is made of, as far as it is looked at. */
interface Innards {
  readonly _spanProcessor: SpanSink['processor'];
  readonly _resource: SpanSink['resource'];
  readonly _spanLimits: SpanLimits;
  readonly instrumentationScope: SpanSink['scope'];
}

/** Where `tracer` hands its spans, for whoever makes them itself; null where that cannot be known, as of another version. */
export const sinkOf = (tracer: Api.Tracer): SpanSink | null => {
  const { _spanProcessor, _resource, _spanLimits, instrumentationScope } = tracer as Partial<Innards>;
  if (typeof _spanProcessor?.onEnd !== 'function' || _resource === undefined) return null;
  if (instrumentationScope === undefined || _spanLimits === undefined) return null;
  return {
    processor: _spanProcessor,
    resource: _resource,
    scope: instrumentationScope,
    limits: _spanLimits,
  };
};

/**
 * Makes spans itself and hands them on as they end. One of OpenTelemetry's own is some 3 KiB in many objects, which live
 * until they are exported; one of these is two objects, and what an exporter reads is made as it reads it.
 */
export const ownKeeper = (api: typeof Api, sink: SpanSink): SpanKeeper => {
  const hex = randomHex();
  return {
    // Who asks for a span has decided that there is one: the variables' sampler was asked before.
    begin: ({ call }) => `00-${traceIdOf(call.traceparent)}-${hex(8)}-01`,
    end: (_, notes, endedAt) => sink.processor.onEnd(new OwnSpan(api, sink, notes, endedAt)),
  };
};

const traceIdOf = (traceparent: string): string => traceparent.slice(3, 35);
const spanIdOf = (traceparent: string): string => traceparent.slice(36, 52);

/** A span that is over, as exporters read it. */
class OwnSpan implements ReadableSpan {
  readonly #api: typeof Api;
  readonly #sink: SpanSink;
  readonly #notes: SpanNotes;
  readonly #endedAt: number;

  constructor(api: typeof Api, sink: SpanSink, notes: SpanNotes, endedAt: number) {
    this.#api = api;
    this.#sink = sink;
    this.#notes = notes;
    this.#endedAt = endedAt;
  }

  get name(): string {
    return rpcMethod(this.#notes.method);
  }

  get kind(): Api.SpanKind {
    return kindOf(this.#api, this.#notes);
  }

  spanContext(): Api.SpanContext {
    return this.#context(this.#notes.traceparent);
  }

  get parentSpanContext(): Api.SpanContext | undefined {
    const { isRoot, parent, kind } = this.#notes;
    if (isRoot) return undefined;
    return { ...this.#context(parent), ...(kind !== 'attempt' && { isRemote: true }) };
  }

  get startTime(): Api.HrTime {
    return hrTime(this.#notes.beganAt);
  }

  get endTime(): Api.HrTime {
    return hrTime(Math.max(this.#notes.beganAt, this.#endedAt));
  }

  get duration(): Api.HrTime {
    return hrTime(Math.max(0, this.#endedAt - this.#notes.beganAt));
  }

  get status(): Api.SpanStatus {
    const { ERROR, UNSET } = this.#api.SpanStatusCode;
    if (!isError(this.#notes)) return { code: UNSET };
    const message = whyOf(this.#notes);
    return { code: ERROR, ...(message !== '' && { message }) };
  }

  get attributes(): Api.Attributes {
    return limited(attributesOf(this.#notes), this.#sink.limits);
  }

  get links(): Api.Link[] {
    const { after } = this.#notes;
    const { linkCountLimit = 1 } = this.#sink.limits;
    return after === '' || linkCountLimit < 1 ? [] : [{ context: this.#context(after), attributes: {} }];
  }

  get events(): [] {
    return [];
  }

  get ended(): true {
    return true;
  }

  get resource(): ReadableSpan['resource'] {
    return this.#sink.resource;
  }

  get instrumentationScope(): ReadableSpan['instrumentationScope'] {
    return this.#sink.scope;
  }

  get droppedAttributesCount(): number {
    const { attributeCountLimit = Number.POSITIVE_INFINITY } = this.#sink.limits;
    if (attributeCountLimit >= mostAttributes) return 0;
    return Math.max(0, Object.keys(attributesOf(this.#notes)).length - attributeCountLimit);
  }

  get droppedEventsCount(): number {
    return 0;
  }

  get droppedLinksCount(): number {
    return 0;
  }

  #context(traceparent: string): Api.SpanContext {
    const { tracestate, isRoot } = this.#notes;
    return {
      traceId: traceIdOf(traceparent),
      spanId: spanIdOf(traceparent),
      traceFlags: this.#api.TraceFlags.SAMPLED,
      ...(tracestate !== '' && !isRoot && { traceState: this.#api.createTraceState(tracestate) }),
    };
  }
}

/** More attributes than a span of ours has, its flags included. */
const mostAttributes = 64;

/** Attributes within the limits; nearly always they are as they come. */
const limited = (told: Api.Attributes, limits: SpanLimits): Api.Attributes => {
  const { attributeCountLimit: most = Number.POSITIVE_INFINITY, attributeValueLengthLimit: longest } = limits;
  if (most >= mostAttributes && (longest === undefined || longest === Number.POSITIVE_INFINITY)) return told;
  const cut = (value: Api.AttributeValue | undefined) =>
    typeof value === 'string' ? value.slice(0, longest) : value;
  const entries = Object.entries(told).slice(0, most);
  return Object.fromEntries(entries.map(([name, value]) => [name, cut(value)]));
};

/** Milliseconds as whole seconds and the nanoseconds beyond them. */
const hrTime = (ms: number): Api.HrTime => {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
};

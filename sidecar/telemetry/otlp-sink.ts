import type * as Api from '@opentelemetry/api';
import type * as Sdk from '@opentelemetry/sdk-node';
import { fieldHead, octetsOf, readMessage, writeField } from '../core/protobuf.ts';
import { OtlpPage } from './otlp-page.ts';

type Resource = Sdk.tracing.ReadableSpan['resource'];

/** Where spans go that are written already. */
export interface SpanSink {
  /** To write them into, each as field 2 of opentelemetry.proto.trace.v1.ScopeSpans. */
  readonly page: OtlpPage;
  /** Takes the span that was written last, and begins at `from`. */
  take(from: number): void;
}

/** A span that is written, for a processor that asks no more of it. */
class WrittenSpan {
  readonly octets: Buffer;
  readonly from: number;
  readonly to: number;
  readonly resource: Resource;

  constructor(octets: Buffer, from: number, to: number, resource: Resource) {
    this.octets = octets;
    this.from = from;
    this.to = to;
    this.resource = resource;
  }

  spanContext(): { readonly traceFlags: number } {
    return sampled;
  }
}

const sampled = { traceFlags: 1 } as const;

/** What makes octets of a batch of spans. */
interface Serializer<Span> {
  serializeRequest(spans: readonly Span[]): Uint8Array | undefined;
  deserializeResponse(octets: Uint8Array): unknown;
}

/** What a tracer of OpenTelemetry is made of, as far as it is looked at. */
interface Innards {
  readonly _spanProcessor: { readonly _spanProcessors: readonly Processor[] };
  readonly _spanLimits: SpanLimits;
}
interface Processor {
  readonly _exporter: Exporter;
  onEnd(span: object): void;
}
interface Exporter {
  readonly _delegate: { _serializer: Serializer<object> };
  export(spans: object[], done: (result: object) => void): void;
}

/** What a span may have at most, as the variables say. */
interface SpanLimits {
  /** Characters of a text. */
  readonly attributeValueLengthLimit?: number;
  readonly attributeCountLimit?: number;
  readonly linkCountLimit?: number;
}

/** More attributes than a span of ours has, its flags included. */
const mostAttributes = 64;

/**
 * A way to send spans that are written already through all that the variables made for `tracer`: its queue, its
 * batches, its connection. Null where it has more than one exporter, another than OTLP in protobuf, limits that a span
 * of ours could reach, or is of a make that is not known: then OpenTelemetry must make the spans.
 *
 * There is no other way in than by fields that are private; the version that is asked for as a peer has them.
 */
export const sinkOf = (tracer: Api.Tracer): SpanSink | null => {
  const { _spanProcessor, _spanLimits } = tracer as Partial<Innards>;
  const [processor, another] = _spanProcessor?._spanProcessors ?? [];
  const exporter = processor?._exporter;
  const delegate = exporter?._delegate;
  if (exporter === undefined || delegate === undefined || another !== undefined || !areWide(_spanLimits))
    return null;
  const { _serializer: theirs } = delegate;
  if (typeof theirs?.serializeRequest !== 'function' || !isProtobuf(theirs)) return null;
  // It never ends, and is in no batch: it knows what all spans of the tracer share.
  const example = tracer.startSpan('') as unknown as Sdk.tracing.ReadableSpan;
  const page = new OtlpPage();
  const memory = requestMemory(exporter);
  let frame: Frame | null = null;
  delegate._serializer = {
    serializeRequest: (spans) => {
      // Not before there is a batch: what a resource says may not be known at once.
      frame ??= frameOf(theirs, example);
      const runs = runsOf(spans as readonly WrittenSpan[]);
      const request = framed(frame, runs, memory);
      // Of the last page more may come, or has.
      const last = runs.at(-1)?.buffer;
      for (const buffer of new Set(runs.map(({ buffer }) => buffer))) if (buffer !== last) page.free(buffer);
      return request;
    },
    deserializeResponse: (octets) => theirs.deserializeResponse(octets),
  };
  return {
    page,
    take: (from) => processor!.onEnd(new WrittenSpan(page.octets, from, page.at, example.resource)),
  };
};

/** Gives so many octets. */
type Memory = (length: number) => Buffer;

/** The same memory for each request, but another while one is under way. */
const requestMemory = (exporter: Exporter): Memory => {
  const send = exporter.export.bind(exporter);
  let underWay = 0;
  let memory = Buffer.alloc(0);
  exporter.export = (spans, done) => {
    underWay++;
    send(spans, (result) => {
      underWay--;
      done(result);
    });
  };
  return (length) => {
    if (length > keptOctets) return Buffer.allocUnsafeSlow(length);
    if (underWay > 1 || memory.length < length) memory = Buffer.allocUnsafeSlow(length + spareOctets);
    return memory.subarray(0, length);
  };
};

/** Four times what 512 spans take as a rule; what is longer is let go of. */
const keptOctets = 1_048_576;
/** So that a batch that is a little longer than the one before it has room. */
const spareOctets = 32_768;

const areWide = (limits: SpanLimits | undefined): boolean =>
  limits !== undefined &&
  (limits.attributeCountLimit ?? mostAttributes) >= mostAttributes &&
  (limits.attributeValueLengthLimit ?? Number.POSITIVE_INFINITY) === Number.POSITIVE_INFINITY &&
  (limits.linkCountLimit ?? 1) >= 1;

/** What stands around the spans of a batch. */
interface Frame {
  /** Fields of ResourceSpans beside its spans. */
  readonly resource: Buffer;
  /** Fields of ScopeSpans beside its spans. */
  readonly scope: Buffer;
}

/** JSON begins with a brace even where there is nothing to tell. */
const isProtobuf = (theirs: Serializer<object>): boolean => theirs.serializeRequest([])?.[0] !== brace;
const brace = 0x7b;

/** The frame as their serializer writes it. */
const frameOf = (theirs: Serializer<object>, example: object): Frame => {
  const request = theirs.serializeRequest([example]) ?? Buffer.alloc(0);
  const resource = split(split(request, 1).field, 2);
  return { resource: resource.others, scope: split(resource.field, 2).others };
};

/** A field of a message, and all its others. Throws where it is not there. */
const split = (
  message: Uint8Array,
  wanted: number,
): { readonly field: Uint8Array; readonly others: Buffer } => {
  const others: Buffer[] = [];
  let found: Uint8Array | null = null;
  readMessage(message, (field, value) => {
    if (field === wanted) found = octetsOf(value);
    else others.push(writeField(field, octetsOf(value)));
  });
  if (found === null) throw new Error(`it has no field ${wanted}`);
  return { field: found, others: Buffer.concat(others) };
};

/** Octets of spans that were written one behind the other. */
interface Run {
  readonly buffer: Buffer;
  readonly from: number;
  to: number;
}

/** An ExportTraceServiceRequest of these spans. */
const framed = ({ resource, scope }: Frame, runs: readonly Run[], memory: Memory): Uint8Array => {
  const inner = runs.reduce((sum, { from, to }) => sum + to - from, scope.length);
  const scopeHead = fieldHead(2, inner);
  const outer = resource.length + scopeHead.length + inner;
  const head = Buffer.concat([fieldHead(1, outer), resource, scopeHead, scope]);
  const request = memory(head.length + inner - scope.length);
  let at = head.copy(request);
  for (const { buffer, from, to } of runs) at += buffer.copy(request, at, from, to);
  return request;
};

const runsOf = (spans: readonly WrittenSpan[]): Run[] => {
  const runs: Run[] = [];
  for (const { octets, from, to } of spans) {
    const last = runs.at(-1);
    if (last !== undefined && last.buffer === octets && last.to === from) last.to = to;
    else runs.push({ buffer: octets, from, to });
  }
  return runs;
};

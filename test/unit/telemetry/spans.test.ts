import { queryObjects } from 'node:v8';
import * as api from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  ConsoleSpanExporter,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base';
import { afterEach, describe, expect, it } from 'vitest';
import { Call } from '../../../sidecar/core/call.ts';
import { Life } from '../../../sidecar/core/life.ts';
import { broken, ok } from '../../../sidecar/core/status.ts';
import type { CallFacts } from '../../../sidecar/core/trace.ts';
import { apiKeeper } from '../../../sidecar/telemetry/api-keeper.ts';
import type { OneSpan, SpanKeeper } from '../../../sidecar/telemetry/one-span.ts';
import { OtlpPage } from '../../../sidecar/telemetry/otlp-page.ts';
import { type SpanSink, sinkOf } from '../../../sidecar/telemetry/otlp-sink.ts';
import { ownKeeper } from '../../../sidecar/telemetry/own-keeper.ts';
import { spanTracer } from '../../../sidecar/telemetry/spans.ts';
import { FakeEndpoint, newCall } from '../../support/calls.ts';
import { type StillKit, stillKit } from '../../support/kit.ts';
import { requestReader } from '../../support/otlp.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const caller = 'b7ad6b7169203331';
const read = requestReader();

type Serializer = { serializeRequest(spans: readonly object[]): Uint8Array };
const protobuf = (new OTLPTraceExporter() as unknown as { _delegate: { _serializer: Serializer } })._delegate
  ._serializer;
const json: Serializer = { serializeRequest: () => Buffer.from('{"resourceSpans":[]}') };

const providers: BasicTracerProvider[] = [];
afterEach(async () => {
  for (const provider of providers.splice(0)) await provider.shutdown();
});

/** A provider of OpenTelemetry whose exporter keeps the octets that it would send. `hold`: they are under way until let go of. */
const noting = ({ serializer = protobuf, limits = {}, also = [] as SpanExporter[], hold = false } = {}) => {
  const sent: Buffer[] = [];
  const underWay: (() => void)[] = [];
  const delegate = { _serializer: serializer };
  const exporter = {
    _delegate: delegate,
    export: (spans: readonly object[], done: (result: { code: 0 }) => void) => {
      const request = delegate._serializer.serializeRequest(spans);
      underWay.push(() => {
        sent.push(Buffer.from(request));
        done({ code: 0 });
      });
      if (!hold) underWay.pop()!();
    },
    shutdown: () => Promise.resolve(),
  };
  const provider = new BasicTracerProvider({
    spanLimits: limits,
    spanProcessors: [exporter, ...also].map((each) => new BatchSpanProcessor(each as SpanExporter)),
  });
  providers.push(provider);
  return { sent, underWay, provider, tracer: provider.getTracer('outrigger/sidecar', '7') };
};

/** A call whose first attempt fails and whose second one does not, as it is told through `keeper`. */
const play = (
  kit: StillKit,
  keeper: SpanKeeper,
  facts: CallFacts,
  status = ok,
  flags = 'ff.express=on',
): void => {
  const { clock, pass } = kit;
  const call = newCall(clock, { authority: 'shop.internal:7070', caller: 'web' }).identified(
    'id-7',
    `00-${traceId}-${caller}-01`,
    'vendor=x',
    flags,
  );
  const span = spanTracer(kit, keeper).begin(call, facts)!;
  const endpoint = new FakeEndpoint();
  pass(2);
  for (const previous of facts.direction === 'outbound' ? [0, 1] : []) {
    const attempt = span.attempt({
      call: call.traced(span, span.traceparent),
      endpoint,
      begunAt: clock.now(),
      previous,
    });
    call.life.at = endpoint;
    call.life.attempts++;
    pass(3.5);
    attempt.over(previous === 0 ? broken('it is gone', false) : status);
  }
  call.life.requestBytes = 12;
  call.life.responseBytes = 70_000;
  call.life.pickMs = 2;
  call.life.witnessAsSpan(span);
  call.life.settle(status);
};

/** What a collector reads of the octets; ids that are made by chance are told by whose they are. */
const told = (octets: Buffer): unknown => {
  const request = read(octets);
  const spans = request.resourceSpans![0]!.scopeSpans![0]!.spans!;
  const names = new Map(spans.map(({ spanId }, at) => [spanId.toString('hex'), `span ${at}`]));
  const named = (_: string, value: unknown) =>
    value !== null && typeof value === 'object' && 'data' in value
      ? (names.get(Buffer.from(value.data as number[]).toString('hex')) ?? value)
      : value;
  return JSON.parse(JSON.stringify(request), named);
};

const outbound: CallFacts = { direction: 'outbound', service: 'inventory', isRoot: false };

/** The octets that tell of the same call, as OpenTelemetry's spans and as ours. */
const both = async (facts: CallFacts, status = ok, flags?: string) => {
  const theirs = noting();
  const kit = stillKit();
  play(kit, apiKeeper(api, theirs.tracer), facts, status, flags);
  await theirs.provider.forceFlush();
  return { theirs: theirs.sent[0]!, ours: (await own(facts, status, flags))[0]! };
};

const own = async (facts: CallFacts, status = ok, flags?: string): Promise<Buffer[]> => {
  const ours = noting();
  const kit = stillKit();
  const keeper = ownKeeper(kit, api, sinkOf(ours.tracer)!);
  play(kit, keeper, facts, status, flags);
  keeper.close();
  await ours.provider.forceFlush();
  return ours.sent;
};

describe('spans that a sidecar writes itself', () => {
  it.each<[string, CallFacts, typeof ok, string?]>([
    ['an outbound call with two attempts', outbound, ok],
    ['an outbound call that fails', outbound, broken('nobody is there', true)],
    ['one that fails for a long reason beyond ASCII', outbound, broken('ня'.repeat(200), true)],
    ['one with flags that fill pages', outbound, ok, `ff.big=${'x'.repeat(50_000)},ff.none=`],
    ['an inbound call', { ...outbound, direction: 'inbound', service: 'web' }, ok],
  ])('tell a collector of %s what OpenTelemetry’s own would', async (_, facts, status, flags) => {
    const { theirs, ours } = await both(facts, status, flags);
    expect(read(ours).resourceSpans![0]!.scopeSpans![0]!.spans).toHaveLength(
      facts.direction === 'outbound' ? 3 : 1,
    );
    expect(told(ours)).toEqual(told(theirs));
  });

  it('keep a root in the trace that it was sampled by, without a parent', async () => {
    const [octets] = await own({ ...outbound, isRoot: true });
    const root = read(octets!).resourceSpans![0]!.scopeSpans![0]!.spans!.at(-1)!;
    expect([root.traceId.toString('hex'), root.parentSpanId?.length]).toEqual([traceId, 0]);
  });

  it('hold the life of a call that goes on, and nothing of one that is over', () => {
    const living = () => queryObjects(Life, { format: 'count' }) + queryObjects(Call, { format: 'count' });
    const held: OneSpan[] = [];
    const begin = () => `00-${traceId}-${caller}-01`;
    const keeper: SpanKeeper = { begin, end: (span) => void held.push(span), close: () => {} };
    const kit = stillKit();
    const before = living();
    const span = spanTracer(kit, keeper).begin(newCall(kit.clock), outbound)!;
    expect(living() - before).toBe(1);
    span.over(ok);
    play(kit, keeper, outbound);
    expect(living() - before).toBe(0);
    expect(held).toHaveLength(4);
  });

  it('are written in groups of 16, and a few of them after 100 ms', () => {
    const kit = stillKit();
    const taken: Buffer[] = [];
    const page = new OtlpPage();
    const sink: SpanSink = { page, take: (from) => void taken.push(page.octets.subarray(from, page.at)) };
    const keeper = ownKeeper(kit, api, sink);
    for (let calls = 0; calls < 5; calls++) play(kit, keeper, outbound);
    expect(taken).toHaveLength(0);
    play(kit, keeper, outbound);
    expect(taken).toHaveLength(16);
    kit.pass(110);
    expect(taken).toHaveLength(18);
    expect(kit.wheel.size).toBe(0);
  });

  it('are sent as they were, however often memory is written again', async () => {
    const { sent, underWay, provider, tracer } = noting({ hold: true });
    const kit = stillKit();
    const keeper = ownKeeper(kit, api, sinkOf(tracer)!);
    const send = (calls: number): Promise<void> => {
      for (let made = 0; made < calls; made++) play(kit, keeper, outbound);
      keeper.close();
      return provider.forceFlush();
    };
    const flushed: Promise<void>[] = [];
    for (let rounds = 0; rounds < 6; rounds++) {
      // 600 spans, more than a batch: two are under way at once, and a third begins before the second is there.
      flushed.push(send(200));
      while (underWay.length > 1) underWay.shift()!();
    }
    while (underWay.length > 0) underWay.shift()!();
    await Promise.all(flushed);
    const ids = sent.flatMap((octets) =>
      read(octets).resourceSpans![0]!.scopeSpans![0]!.spans!.map(({ spanId }) => spanId.toString('hex')),
    );
    expect([ids.length, new Set(ids).size]).toEqual([3600, 3600]);
  });
});

describe('OpenTelemetry makes the spans', () => {
  it.each<[string, () => api.Tracer]>([
    ['of another make', () => api.trace.getTracer('none')],
    ['with an exporter of JSON', () => noting({ serializer: json }).tracer],
    ['with a second exporter', () => noting({ also: [new ConsoleSpanExporter()] }).tracer],
    ['with an exporter that is not of OTLP', () => consoleTracer()],
    ['with a limit of texts', () => noting({ limits: { attributeValueLengthLimit: 40 } }).tracer],
    ['with few attributes', () => noting({ limits: { attributeCountLimit: 10 } }).tracer],
    ['without links', () => noting({ limits: { linkCountLimit: 0 } }).tracer],
  ])('where there is a tracer %s', (_, tracer) => {
    expect(sinkOf(tracer())).toBeNull();
    expect(sinkOf(noting().tracer)).not.toBeNull();
  });
});

const consoleTracer = (): api.Tracer => {
  const provider = new BasicTracerProvider({
    spanProcessors: [new BatchSpanProcessor(new ConsoleSpanExporter())],
  });
  providers.push(provider);
  return provider.getTracer('outrigger/sidecar');
};

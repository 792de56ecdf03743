import * as api from '@opentelemetry/api';
import { BasicTracerProvider, type ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { describe, expect, it } from 'vitest';
import { broken, ok } from '../../../sidecar/core/status.ts';
import type { CallFacts } from '../../../sidecar/core/trace.ts';
import { apiKeeper } from '../../../sidecar/telemetry/api-keeper.ts';
import type { SpanKeeper } from '../../../sidecar/telemetry/one-span.ts';
import { ownKeeper, sinkOf } from '../../../sidecar/telemetry/own-keeper.ts';
import { spanTracer } from '../../../sidecar/telemetry/spans.ts';
import { FakeEndpoint, newCall } from '../../support/calls.ts';
import { stillKit } from '../../support/kit.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const caller = 'b7ad6b7169203331';

/** A provider whose ended spans are kept. */
const noting = (limits: object = {}) => {
  const ended: ReadableSpan[] = [];
  const provider = new BasicTracerProvider({
    spanLimits: limits,
    spanProcessors: [
      {
        onStart: () => {},
        onEnd: (span) => void ended.push(span),
        shutdown: () => Promise.resolve(),
        forceFlush: () => Promise.resolve(),
      },
    ],
  });
  return { ended, tracer: provider.getTracer('outrigger/sidecar') };
};

/** A call whose first attempt fails and whose second one does not, as it is told through `keeper`. */
const play = (keeper: SpanKeeper, facts: CallFacts, status = ok): void => {
  const { clock, pass, ...kit } = stillKit();
  const call = newCall(clock, { authority: 'shop.internal:7070', caller: 'web' }).identified(
    'id-7',
    `00-${traceId}-${caller}-01`,
    'vendor=x',
    'ff.express=on',
  );
  const span = spanTracer({ clock, ...kit }, keeper).begin(call, facts)!;
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
  call.life.pickMs = 2;
  call.life.witnessAsSpan(span);
  call.life.settle(status);
};

/** What an exporter reads of spans; ids that are made by chance are told by whose they are. */
const read = (spans: readonly ReadableSpan[]): unknown[] => {
  const names = new Map(spans.map((span, at) => [span.spanContext().spanId, `span ${at}`]));
  const told = ({ traceId, spanId, traceFlags, traceState, isRemote }: api.SpanContext) => ({
    traceId,
    spanId: names.get(spanId) ?? spanId,
    traceFlags,
    tracestate: traceState?.serialize(),
    isRemote,
  });
  return spans.map((span) => ({
    ...told(span.spanContext()),
    parent: span.parentSpanContext === undefined ? null : told(span.parentSpanContext),
    links: span.links.map(({ context, attributes = {} }) => ({ ...told(context), attributes })),
    name: span.name,
    kind: span.kind,
    times: [span.startTime, span.endTime, span.duration],
    ended: span.ended,
    status: span.status,
    attributes: span.attributes,
    events: span.events,
    dropped: [span.droppedAttributesCount, span.droppedEventsCount, span.droppedLinksCount],
    scope: span.instrumentationScope.name,
  }));
};

const outbound: CallFacts = { direction: 'outbound', service: 'inventory', isRoot: false };

const both = (facts: CallFacts, status = ok, limits: object = {}) => {
  const theirs = noting(limits);
  const ours = noting(limits);
  play(apiKeeper(api, theirs.tracer), facts, status);
  play(ownKeeper(api, sinkOf(ours.tracer)!), facts, status);
  return { theirs: theirs.ended, ours: ours.ended };
};

describe('spans that a sidecar makes itself', () => {
  it.each<[string, CallFacts, typeof ok]>([
    ['an outbound call with two attempts', outbound, ok],
    ['an outbound call that fails', outbound, broken('nobody is there', true)],
    ['an inbound call', { ...outbound, direction: 'inbound', service: 'web' }, ok],
  ])('tell of %s what OpenTelemetry’s own would', (_, facts, status) => {
    const { theirs, ours } = both(facts, status);
    expect(ours.length).toBe(facts.direction === 'outbound' ? 3 : 1);
    expect(read(ours)).toEqual(read(theirs));
    expect(ours[0]!.resource).toEqual(theirs[0]!.resource);
  });

  it('keep a root in the trace that it was sampled by, without a parent', () => {
    const { ended, tracer } = noting();
    play(ownKeeper(api, sinkOf(tracer)!), { ...outbound, isRoot: true });
    const root = ended.at(-1)!;
    expect([root.spanContext().traceId, root.parentSpanContext]).toEqual([traceId, undefined]);
  });

  it('keep to the limits of the variables', () => {
    const { theirs, ours } = both(outbound, ok, { attributeValueLengthLimit: 4, attributeCountLimit: 5 });
    const told = (spans: readonly ReadableSpan[]) =>
      spans.map(({ attributes, droppedAttributesCount }) => [
        Object.values(attributes),
        droppedAttributesCount > 0,
      ]);
    expect(told(ours)).toEqual(told(theirs));
    expect(told(ours)[0]).toEqual([['grpc', 'shop', 'id-7', 'inve', '10.0'], true]);
  });

  it('are left to OpenTelemetry where its tracer is of another make', () => {
    expect(sinkOf({} as api.Tracer)).toBeNull();
    expect(sinkOf(api.trace.getTracer('none'))).toBeNull();
  });

  it('hold nothing of the call while they wait to be exported', () => {
    const { ended, tracer } = noting();
    const keeper = ownKeeper(api, sinkOf(tracer)!);
    const held: unknown[] = [];
    play({ begin: keeper.begin, end: (_, notes) => void held.push(notes) }, outbound);
    const values = held.flatMap((notes) => Object.values(notes as object));
    expect(values.filter((value) => typeof value === 'object' || typeof value === 'function')).toEqual([]);
    expect(ended).toEqual([]);
  });
});

import * as grpc from '@grpc/grpc-js';
import { trace } from '@opentelemetry/api';
import { node } from '@opentelemetry/sdk-node';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { Code, type Mesh, MeshError, Metadata } from '../../../sdk/index.ts';
import { eventually } from '../../support/eventually.ts';
import { all, far, gate, later, meshAt, near, plainShop, rawTake, Shop } from './stage.ts';

// The app has a tracer provider of its own, as one has that sets OpenTelemetry up in code: connect() uses it.

const exporter = new node.InMemorySpanExporter();
const provider = new node.NodeTracerProvider({ spanProcessors: [new node.SimpleSpanProcessor(exporter)] });
beforeAll(() => provider.register());
afterAll(() => provider.shutdown());
afterEach(() => exporter.reset());

const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const unsampled = parent.replace(/01$/, '00');

/** `CLIENT shop.v1.Shop/Take OK`, in the order in which they ended. */
const told = (): string[] =>
  exporter
    .getFinishedSpans()
    .map(({ kind, name, attributes, status }) =>
      [
        ['INTERNAL', 'SERVER', 'CLIENT'][kind],
        name,
        attributes['rpc.response.status_code'],
        ...(status.code === 2 ? ['error'] : []),
      ].join(' '),
    );

const from = (traceparent: string): Metadata => new Metadata({ traceparent });

/** A far end that remembers what it was told of traces. */
const listening = async (): Promise<{ mesh: Mesh; seen: string[] }> => {
  const seen: string[] = [];
  const served = await far({
    ...plainShop,
    take: ({ sku }, call) => {
      seen.push(call.metadata.text('traceparent'));
      return { sku, left: 1 };
    },
  });
  return { mesh: await meshAt(served), seen };
};

test('a call inside a span of the app is its child, and names itself as the parent of what comes after', async () => {
  const { mesh, seen } = await listening();
  await trace.getTracer('app').startActiveSpan('sell', async (span) => {
    await mesh.client(Shop, 'shop').take({ sku: 'oar' });
    span.end();
  });
  const [call, own] = exporter.getFinishedSpans();
  expect(told()).toEqual(['CLIENT shop.v1.Shop/Take OK', 'INTERNAL sell ']);
  expect(call!.parentSpanContext?.spanId).toBe(own!.spanContext().spanId);
  expect(seen).toEqual([`00-${own!.spanContext().traceId}-${call!.spanContext().spanId}-01`]);
});

test('a stub that was generated for grpc-js is told of as any other call', async () => {
  const { mesh, seen } = await listening();
  const client = new grpc.Client(...mesh.target('shop'));
  later(() => client.close());
  const { path, requestSerialize, responseDeserialize } = (Shop as never as grpc.ServiceDefinition)['Take']!;
  const take = (sku: string): Promise<unknown> =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { sku }, (error, left) =>
        error === null ? resolve(left) : reject(error),
      );
    });
  await mesh.run({ headers: { traceparent: parent } }, () => take('oar'));
  const [call] = exporter.getFinishedSpans();
  expect(told()).toEqual(['CLIENT shop.v1.Shop/Take OK']);
  expect(seen).toEqual([`${parent.slice(0, 36)}${call!.spanContext().spanId}-01`]);
});

test('work that a queue brought goes on in the trace that its headers name, the spans of the app too', async () => {
  const { mesh } = await listening();
  await mesh.run({ headers: { traceparent: parent }, correlationId: 'job-7' }, async () => {
    trace.getTracer('app').startSpan('count').end();
    await mesh.client(Shop, 'shop').take({ sku: 'oar' });
  });
  const spans = exporter.getFinishedSpans();
  expect(spans.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual(
    Array(2).fill('b7ad6b7169203331'),
  );
  expect(spans[1]!.attributes).toMatchObject({
    'outrigger.correlation_id': 'job-7',
    'outrigger.service': 'shop',
  });
});

test('a call that is served is the parent of calls made inside, in the context and beyond it', async () => {
  const { mesh, seen } = await listening();
  let inside = '';
  const app = await near(mesh, {
    take: async ({ sku }, call) => {
      inside = call.traceparent;
      return mesh.client(Shop, 'shop').take({ sku });
    },
  });
  await rawTake(app, from(parent)).reply;
  const [made, served] = exporter.getFinishedSpans();
  expect(told()).toEqual(['CLIENT shop.v1.Shop/Take OK', 'SERVER shop.v1.Shop/Take OK']);
  expect(served!.parentSpanContext?.spanId).toBe('b7ad6b7169203331');
  expect(inside).toContain(served!.spanContext().spanId);
  expect(made!.parentSpanContext?.spanId).toBe(served!.spanContext().spanId);
  expect(seen[0]).toContain(made!.spanContext().spanId);
});

test('a trace that is not sampled makes no span, and goes on as one that is not', async () => {
  const { mesh, seen } = await listening();
  const app = await near(mesh, { take: ({ sku }) => mesh.client(Shop, 'shop').take({ sku }) });
  await rawTake(app, from(unsampled)).reply;
  expect(told()).toEqual([]);
  expect(seen[0]).toMatch(new RegExp(`^${unsampled.slice(0, 36)}[0-9a-f]{16}-00$`));
});

test('an error is one of the server only where the server answers for it', async () => {
  const { mesh } = await listening();
  const answers = [
    () => new MeshError(Code.INVALID_ARGUMENT, 'no sku'),
    () => new MeshError(Code.UNAVAILABLE, 'closed'),
    () => new Error('a bug'),
  ];
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const app = await near(mesh, {
    take: () => {
      throw answers.shift()!();
    },
  });
  for (let calls = 0; calls < 3; calls++) await rawTake(app, from(parent)).reply.catch(() => {});
  vi.restoreAllMocks();
  expect(told()).toEqual([
    'SERVER shop.v1.Shop/Take INVALID_ARGUMENT',
    'SERVER shop.v1.Shop/Take UNAVAILABLE error',
    'SERVER shop.v1.Shop/Take UNKNOWN error',
  ]);
});

test('a call whose caller is gone has ended so', async () => {
  const { mesh } = await listening();
  const begun = gate();
  const app = await near(mesh, {
    take: async ({ sku }, call) => {
      const gone = new Promise((resolve) => call.signal.addEventListener('abort', resolve));
      begun.open();
      await gone;
      return { sku, left: 0 };
    },
  });
  const call = rawTake(app, from(parent));
  await begun.promise;
  call.cancel();
  await call.reply.catch(() => {});
  await eventually(() => told().length > 0, 'the span of a call that was cancelled');
  expect(told()).toEqual(['SERVER shop.v1.Shop/Take CANCELLED']);
});

test('a failure says who decided, and a call that must not be made is a span as well', async () => {
  const mesh = await meshAt(
    await far({
      take: () => {
        throw new MeshError(Code.NOT_FOUND, 'no such sku');
      },
    }),
  );
  const shop = mesh.client(Shop, 'shop');
  await expect(shop.take({ sku: 'oar' })).rejects.toThrow('no such sku');
  await expect(shop.take({ sku: 'oar' }, { signal: AbortSignal.abort() })).rejects.toThrow('abort');
  expect(told()).toEqual([
    'CLIENT shop.v1.Shop/Take NOT_FOUND error',
    'CLIENT shop.v1.Shop/Take CANCELLED error',
  ]);
  const spans = exporter.getFinishedSpans();
  expect(spans.map(({ attributes }) => attributes['outrigger.decided_by'])).toEqual(['peer', 'sdk']);
});

test('a stream is over when it was read, and a probe of health is nothing to tell', async () => {
  const { mesh } = await listening();
  await all(mesh.client(Shop, 'shop').watch({ sku: 'oar' }));
  expect(told()).toEqual(['CLIENT shop.v1.Shop/Watch OK']);
  exporter.reset();
  const { channel } = await near(mesh, {});
  const same = (octets: Buffer): Buffer => octets;
  await new Promise((resolve) => {
    channel.makeUnaryRequest('/grpc.health.v1.Health/Check', same, same, Buffer.alloc(0), resolve);
  });
  expect(told()).toEqual([]);
});

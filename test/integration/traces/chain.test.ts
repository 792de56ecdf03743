import { trace } from '@opentelemetry/api';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Code, MeshError } from '../../../sdk/index.ts';
import { eventually } from '../../support/eventually.ts';
import { type Receiver, startReceiver, type Told } from '../../support/otlp.ts';
import { Shop } from '../../support/shop.ts';
import { type Chain, type Member, startChain } from '../../support/traced-chain.ts';

// front -> orders -> inventory, of which one instance fails: three apps with the SDK, four sidecars, one collector.

let receiver: Receiver;
let chain: Chain;
let front: Member;
/** What `mesh.context()` of orders said as it served. */
const served: string[] = [];

beforeAll(async () => {
  receiver = await startReceiver();
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', receiver.endpoint);
  vi.stubEnv('OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc');
  vi.stubEnv('OTEL_BSP_SCHEDULE_DELAY', '20');
  chain = await startChain();
  const broken = await chain.add('inventory');
  const good = await chain.add('inventory');
  const policies = { inventory: { idempotent: true, balance: 'round-robin', flags: { express: 'on' } } };
  const orders = await chain.add('orders', { inventory: [broken, good] }, { policies });
  front = await chain.add('front', { orders: [orders] });
  await chain.connect();
  const watch = async function* ({ sku }: { sku: string }) {
    yield { sku, left: 2 };
    yield { sku, left: 1 };
  };
  const take = async (): Promise<never> => {
    throw new MeshError(Code.UNAVAILABLE, 'the shelf is being moved');
  };
  await chain.serve(broken, { take, watch });
  await chain.serve(good, { take: async ({ sku }) => ({ sku, left: 1 }), watch });
  const inventory = orders.mesh.client(Shop, 'inventory');
  await chain.serve(orders, {
    take: (request) =>
      trace.getTracer('app').startActiveSpan('look on the shelf', async (span) => {
        served.push(orders.mesh.context()!.traceparent);
        const answer = await inventory.take(request);
        span.end();
        return answer;
      }),
    watch: (request) => inventory.watch(request),
  });
}, 60_000);

afterAll(async () => {
  await chain.close();
  receiver.close();
  vi.unstubAllEnvs();
});

/** The spans of the traces that these calls have begun, when there are `many` of them together. */
const spansOf = async (many: number, ...correlationIds: string[]): Promise<readonly Told[]> => {
  const found = (): readonly Told[] => {
    const isOurs = ({ attributes }: Told): boolean =>
      correlationIds.includes(String(attributes['outrigger.correlation_id']));
    const traces = new Set(receiver.spans.filter(isOurs).map(({ trace }) => trace));
    return receiver.spans.filter(({ trace }) => traces.has(trace));
  };
  await eventually(() => found().length >= many, `${many} spans of ${correlationIds}`);
  return found();
};

/** The trace of a call that had to be tried twice. */
let retried: readonly Told[];

/** The tree as lines: service, who tells it, kind. */
const tree = (spans: readonly Told[], parent = '', depth = 0): string[] =>
  spans
    .filter((span) => span.parent === parent)
    .sort((a, b) => a.begunAt - b.begunAt)
    .flatMap((span) => [
      `${'  '.repeat(depth)}${span.scope} ${span.kind}${span.error ? ` ${span.attributes['rpc.response.status_code']}` : ''}`,
      ...tree(spans, span.id, depth + 1),
    ]);

/** A call of the front's app, with an id to find it by; `work` is done in its context. */
const inside = <T>(correlationId: string, work: () => Promise<T>): Promise<T> =>
  front.mesh.run({ correlationId }, work);

describe('a call through three services', () => {
  it('is one trace of apps and sidecars with the right parents, and each attempt in it', async () => {
    const orders = front.mesh.client(Shop, 'orders');
    // Round robin: one of two calls meets the instance that fails first.
    for (const id of ['call-1', 'call-2'])
      expect(await inside(id, () => orders.take({ sku: 'oar' }))).toEqual({ sku: 'oar', left: 1 });
    await eventually(() => {
      const linking = receiver.spans.find(({ links }) => links.length > 0);
      retried = receiver.spans.filter(({ trace }) => trace === linking?.trace);
      return retried.length === 14;
    }, 'a trace with a retry');
    expect(tree(retried)).toEqual([
      'outrigger/sdk CLIENT', // front's app
      '  outrigger/sidecar CLIENT', // front's sidecar: the call
      '    outrigger/sidecar CLIENT', // and its attempt
      '      outrigger/sidecar SERVER', // orders' sidecar
      '        outrigger/sdk SERVER', // orders' app
      '          app INTERNAL', // its own span
      '            outrigger/sdk CLIENT',
      '              outrigger/sidecar CLIENT',
      '                outrigger/sidecar CLIENT UNAVAILABLE', // the instance that fails
      '                  outrigger/sidecar SERVER UNAVAILABLE',
      '                    outrigger/sdk SERVER UNAVAILABLE',
      '                outrigger/sidecar CLIENT', // the other one
      '                  outrigger/sidecar SERVER',
      '                    outrigger/sdk SERVER',
    ]);
    const [first, second] = retried
      .filter(
        ({ attributes }) =>
          attributes['outrigger.service'] === 'inventory' && attributes['outrigger.attempt'],
      )
      .sort((a, b) => Number(a.attributes['outrigger.attempt']) - Number(b.attributes['outrigger.attempt']));
    expect(second!.links).toEqual([first!.id]);
    expect([first!.message, first!.attributes['outrigger.decided_by']]).toEqual(['', 'peer']);
    expect(retried.find(({ scope }) => scope === 'app')!.parent).toBe(
      retried.find(({ id }) => served.some((traceparent) => traceparent.includes(id)))!.id,
    );
  });

  it('says in each span what was called, for whom, and how it ended', () => {
    const call = retried.find(({ scope, parent }) => scope === 'outrigger/sdk' && parent === '')!;
    const { 'outrigger.correlation_id': correlationId } = call.attributes;
    expect(['call-1', 'call-2']).toContain(correlationId);
    expect(call.attributes).toMatchObject({
      'rpc.system.name': 'grpc',
      'rpc.method': 'shop.v1.Shop/Take',
      'rpc.response.status_code': 'OK',
      'server.address': 'orders',
      'outrigger.service': 'orders',
    });
    const ofSidecars = retried.filter(({ scope }) => scope === 'outrigger/sidecar');
    for (const { attributes } of ofSidecars)
      expect(attributes).toMatchObject({
        'rpc.system.name': 'grpc',
        'rpc.method': 'shop.v1.Shop/Take',
        'outrigger.correlation_id': correlationId,
      });
    const out = ofSidecars.find(
      ({ kind, service, attributes }) =>
        kind === 'CLIENT' && service === 'orders' && attributes['outrigger.attempts'] !== undefined,
    )!;
    expect(out.attributes).toMatchObject({
      'outrigger.flag.express': 'on',
      'outrigger.decided_by': 'peer',
      'outrigger.reached': true,
    });
    expect(new Set(ofSidecars.map(({ service }) => service))).toEqual(
      new Set(['front', 'orders', 'inventory']),
    );
  });

  it('fits in time: what is called lies within what called it, on one clock', () => {
    const byId = new Map(retried.map((span) => [span.id, span]));
    const early = retried.filter(({ parent, begunAt }) => begunAt < (byId.get(parent)?.begunAt ?? 0) - 3);
    expect(early).toEqual([]);
    for (const { begunAt, endedAt } of retried) expect(endedAt).toBeGreaterThanOrEqual(begunAt);
  });

  it('ends the span of a stream when it was read to its end, or left', async () => {
    const orders = front.mesh.client(Shop, 'orders');
    const read = async (): Promise<void> => {
      for await (const _ of orders.watch({ sku: 'oar' }));
    };
    const leave = async (): Promise<void> => {
      for await (const _ of orders.watch({ sku: 'oar' })) break;
    };
    await inside('read', read);
    await inside('left', leave);
    const ends = async (id: string): Promise<unknown> =>
      (await spansOf(10, id)).find(({ parent }) => parent === '')?.attributes['rpc.response.status_code'];
    expect([await ends('read'), await ends('left')]).toEqual(['OK', 'CANCELLED']);
  });
});

describe('a call that is refused', () => {
  it('is a span with the reason, and no attempt', async () => {
    const nobody = front.mesh.client(Shop, 'nobody');
    const failure = await inside('refused', () => nobody.take({ sku: 'oar' })).catch(
      (error: MeshError) => error,
    );
    expect(failure).toMatchObject({ decidedBy: 'mesh', reached: false });
    const spans = await spansOf(2, 'refused');
    expect(spans.map(({ scope }) => scope).sort()).toEqual(['outrigger/sdk', 'outrigger/sidecar']);
    const refused = spans.find(({ scope }) => scope === 'outrigger/sidecar')!;
    expect(refused.error).toBe(true);
    expect(refused.message).toContain('nobody');
    expect(refused.attributes).toMatchObject({
      'error.type': 'UNAVAILABLE',
      'outrigger.decided_by': 'mesh',
      'outrigger.reached': false,
      'outrigger.attempts': 0,
    });
    // A name that nobody asked for yet is waited for, a second at most.
    expect(refused.attributes['outrigger.wait.pick_ms']).toBeGreaterThan(500);
  });
});

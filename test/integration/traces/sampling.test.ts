import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { type Receiver, startReceiver } from '../../support/otlp.ts';
import { sumOf, type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const sampled = `00-${traceId}-b7ad6b7169203331-01`;
const unsampled = `00-${traceId}-b7ad6b7169203331-00`;

let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
});
afterAll(() => receiver.close());

let mesh: TwoSidecars;
afterEach(async () => {
  vi.unstubAllEnvs();
  await mesh.close();
  (receiver.spans as unknown[]).length = 0;
});

const start = async (sampler: string, ratio = '', endpoint = receiver.endpoint): Promise<void> => {
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', endpoint);
  vi.stubEnv('OTEL_EXPORTER_OTLP_TIMEOUT', '1000');
  vi.stubEnv('OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc');
  vi.stubEnv('OTEL_BSP_SCHEDULE_DELAY', '20');
  vi.stubEnv('OTEL_TRACES_SAMPLER', sampler);
  vi.stubEnv('OTEL_TRACES_SAMPLER_ARG', ratio);
  mesh = await twoSidecars();
};

/** A call with this traceparent; what the app at the far end was told. */
const call = async (traceparent?: string): Promise<unknown> => {
  await mesh.client.call(
    'Unary',
    'm',
    traceparent === undefined ? {} : { metadata: [['traceparent', traceparent]] },
  );
  return mesh.apps[0]!.seen.at(-1)!.metadata.get('traceparent')[0];
};

const begun = (): number =>
  sumOf(mesh.caller, 'outrigger_spans_total') + sumOf(mesh.callees[0]!, 'outrigger_spans_total');

describe('a ratio of 0', () => {
  it('makes no span of a trace that begins here, and says so to those behind', async () => {
    await start('parentbased_traceidratio', '0');
    for (let calls = 0; calls < 20; calls++)
      expect(await call()).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(begun()).toBe(0);
  });

  it('follows a parent that is sampled', async () => {
    await start('parentbased_traceidratio', '0');
    const told = await call(sampled);
    await eventually(() => receiver.spans.length === 3, 'three spans');
    const inbound = receiver.spans.find(({ kind }) => kind === 'SERVER')!;
    expect(told).toBe(`00-${traceId}-${inbound.id}-01`);
    expect(receiver.spans.map(({ trace }) => trace)).toEqual(Array(3).fill(traceId));
    expect(receiver.spans.filter(({ parent }) => parent === 'b7ad6b7169203331')).toHaveLength(1);
  });
});

describe('a share of the ids', () => {
  it.each<[string, string]>([
    ['a sidecar writes', ''],
    ['OpenTelemetry makes', '30'],
  ])('is taken by all sidecars of a trace or by none, in spans that %s', async (_, attributes) => {
    vi.stubEnv('OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT', attributes);
    await start('traceidratio', '0.5');
    for (let calls = 0; calls < 40; calls++) await call();
    await eventually(() => receiver.spans.length === begun(), 'all spans');
    const spansOf = new Map<string, number>();
    for (const { trace } of receiver.spans) spansOf.set(trace, (spansOf.get(trace) ?? 0) + 1);
    expect(new Set(spansOf.values())).toEqual(new Set([3]));
  });
});

describe('the default', () => {
  it('samples what begins here, under the id that the trace was given', async () => {
    await start('');
    const told = String(await call());
    await eventually(() => receiver.spans.length === 3, 'three spans');
    expect(told).toMatch(/-01$/);
    expect(new Set(receiver.spans.map(({ trace }) => trace))).toEqual(new Set([told.slice(3, 35)]));
    expect(
      receiver.spans
        .map(({ service, kind, parent }) => `${service} ${kind}${parent === '' ? ' root' : ''}`)
        .sort(),
    ).toEqual(['echo SERVER', 'web CLIENT', 'web CLIENT root']);
  });

  it('lets a parent that is not sampled pass unchanged', async () => {
    await start('');
    expect(await call(unsampled)).toBe(unsampled);
    expect(begun()).toBe(0);
  });
});

describe('always_on', () => {
  it('begins below a parent that is not sampled (control)', async () => {
    await start('always_on');
    expect(await call(unsampled)).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    expect(begun()).toBe(3);
  });
});

describe('a share', () => {
  it('is that of all traces, and both sides of a call take the same', async () => {
    await start('parentbased_traceidratio', '0.5');
    const flags: string[] = [];
    for (let calls = 0; calls < 60; calls++) flags.push(String(await call()).slice(-2));
    const taken = flags.filter((flag) => flag === '01').length;
    expect(taken).toBeGreaterThan(10); // by chance once in a hundred million runs
    expect(taken).toBeLessThan(50);
    expect(begun()).toBe(3 * taken);
  });
});

describe('a collector that is away', () => {
  it('fails no call, is counted, and holds up the end of a sidecar by two seconds at most', async () => {
    await start('', '', 'http://127.0.0.1:1');
    expect((await mesh.client.call('Unary', 'm')).code).toBe(0);
    const begunAt = performance.now();
    await Promise.all([mesh.caller, ...mesh.callees].map((sidecar) => sidecar.close()));
    expect(performance.now() - begunAt).toBeLessThan(4000);
    // Where two sidecars share a process, the first of them hears what OpenTelemetry says.
    const problems = [mesh.caller, mesh.callees[0]!].map((each) =>
      sumOf(each, 'outrigger_trace_problems_total'),
    );
    expect(problems[0]! + problems[1]!).toBeGreaterThan(0);
  });
});

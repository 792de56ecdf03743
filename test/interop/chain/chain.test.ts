import { afterEach, describe, expect, it, vi } from 'vitest';
import { flagsOf } from '../../../sdk/flags.ts';
import { eventually } from '../../support/eventually.ts';
import { startReceiver, type Told } from '../../support/otlp.ts';
import { sumOf } from '../../support/sidecars.ts';
import { go, python } from '../tools.ts';
import { type Chain, nodeHop, startChain } from './chain.ts';
import { Hop, type Seen } from './methods.ts';

const must = process.env['OUTRIGGER_INTEROP'] === '1';
const [inPython, inGo] = [python(must), go(must)];
const missing = [inPython, inGo].filter((each) => typeof each === 'string');
for (const reason of missing) console.warn(`the chain of five services is skipped: ${reason}`);

let chain: Chain | null = null;
afterEach(async () => {
  await chain?.close();
  chain = null;
});

const commands = (): (readonly string[])[] => {
  if (typeof inPython === 'string' || typeof inGo === 'string') return [];
  const hop = inPython.server.map((word) => word.replace(/server\.py$/, 'hop.py'));
  return [nodeHop, hop, nodeHop, [inGo.server[0]!, 'hop'], nodeHop];
};

const order = (id: string) => ({ correlationId: id, timeout: '10s' }) as const;

/** Starts it, and waits until all of it answers. */
const start = async (hops: Parameters<typeof startChain>[1] = {}): Promise<Chain> => {
  chain = await startChain(commands(), hops);
  const first = chain.caller.client(Hop, 'hop1');
  const answers = (): Promise<boolean> => first.call({}, { timeout: 2000 }).then(all, () => false);
  await eventually(answers, 'the chain to answer');
  return chain;
};
const all = (hops: readonly Seen[]): boolean => hops.length === 5;

/** Flags as one hop saw them, in words. */
const flagsAt = ({ baggage }: Seen): string => [...flagsOf(baggage)].sort().join(' ');
const definitions = (variant: string): object => ({
  flags: { express: { state: 'ENABLED', variants: { on: true, off: false }, defaultVariant: variant } },
});
const define = ({ agent }: Chain, variant: string): Promise<unknown> =>
  agent.ask('PUT', '/v1/kv/outrigger/flags', definitions(variant));

/** Defines it, and waits until the edge decides so: a sidecar that knows of no definition leaves it to the next. */
const decided = async (running: Chain, variant: string): Promise<void> => {
  const first = running.caller.client(Hop, 'hop1');
  await define(running, variant);
  await eventually(
    async () => flagsAt((await first.call({}))[0]!) === `express,${variant}`,
    'the flag to be decided',
  );
};

describe.skipIf(missing.length > 0)('five services in three languages, each with a sidecar', () => {
  it('have one id in every line of every log, a deadline that shrinks, and one trace, through a retry and a move', async () => {
    const { caller, links, hosted, place } = await start({
      hop4: { settings: { policies: { hop5: { idempotent: true, retry: { 'first-wait': '10ms' } } } } },
      hop5: { env: { FAILURES: '1' } },
    });
    const first = caller.client(Hop, 'hop1');
    const lines = (id: string): number[] =>
      links.map(({ log }) => log.filter((line) => line.id === id).length);
    const check = (hops: readonly Seen[], id: string, callers: readonly string[]): void => {
      expect(hops.map(({ caller: by }) => by)).toEqual(callers);
      const left = hops.map(({ leftMs }) => leftMs);
      for (const [at, ms] of left.entries())
        expect(ms, `hop ${at + 1}`).toBeLessThan(at === 0 ? 10_000.1 : left[at - 1]!);
      expect(new Set(hops.map(({ traceparent }) => traceparent.split('-')[1])).size).toBe(1);
      expect(hops.map((hop) => hop.id)).toEqual(Array(5).fill(id));
    };
    const out = ['web', 'hop1', 'hop2', 'hop3', 'hop4'];
    // Hosted by the caller it calls in the caller's name.
    const within = ['web', 'web', 'hop2', 'hop3', 'hop4'];
    check(await caller.run(order('order-7'), () => first.call({})), 'order-7', out);
    // The last of them was asked twice: once for each attempt.
    await eventually(() => lines('order-7').join() === '1,1,1,1,2', 'the lines of the logs');
    place('local');
    await eventually(async () => {
      await caller.run(order('moving'), () => first.call({}));
      return hosted.some(({ id }) => id === 'moving');
    }, 'the first of them to move in');
    check(await caller.run(order('order-8'), () => first.call({})), 'order-8', within);
    await eventually(() => lines('order-8').join() === '0,1,1,1,2', 'the lines of the logs');
    expect(hosted.filter(({ id }) => id === 'order-8')).toHaveLength(1);
  }, 120_000);

  it('see the same flags at each hop while the definitions change a hundred times a second', async () => {
    const running = await start();
    const first = running.caller.client(Hop, 'hop1');
    await decided(running, 'off');
    let changes = 0;
    const changing = setInterval(() => void define(running, changes++ % 2 === 0 ? 'on' : 'off'), 10);
    const seen = new Set<string>();
    const mixed: string[][] = [];
    const end = performance.now() + 5000;
    try {
      while (performance.now() < end) {
        const hops = await first.call({}, { timeout: 5000 });
        const answers = hops.map(flagsAt);
        if (new Set(answers).size > 1) mixed.push(answers);
        seen.add(answers[0]!);
      }
    } finally {
      clearInterval(changing);
    }
    expect(mixed).toEqual([]);
    expect(changes).toBeGreaterThan(200);
    // Control: the answers did change.
    expect(seen.size).toBeGreaterThanOrEqual(2);
  }, 120_000);

  it('refuse what a hop in the middle has made up', async () => {
    const running = await start({
      web: { settings: { flagging: { deciders: ['web'] } } },
      hop3: { env: { FORGE: '/ff\\.express=\\w+/ff.express=on' } },
    });
    await define(running, 'off');
    const first = running.caller.client(Hop, 'hop1');
    await eventually(
      async () => flagsAt((await first.call({}))[0]!) === 'express,off',
      'the flag to be decided',
    );
    const hops = await running.caller.run(order('order-9'), () => first.call({}));
    expect(hops.map(flagsAt)).toEqual(Array(5).fill('express,off'));
    expect(sumOf(running.links[2]!.sidecar, 'outrigger_flags_refused_total')).toBeGreaterThan(0);
  }, 120_000);

  it('are one trace at a collector, with the retry in it and every parent there', async () => {
    const receiver = await startReceiver();
    vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', receiver.endpoint);
    vi.stubEnv('OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc');
    vi.stubEnv('OTEL_BSP_SCHEDULE_DELAY', '20');
    try {
      const { caller } = await start({
        hop1: { env: { OTEL_SERVICE_NAME: 'hop1' } },
        hop3: { env: { OTEL_SERVICE_NAME: 'hop3' } },
        hop4: { settings: { policies: { hop5: { idempotent: true, retry: { 'first-wait': '10ms' } } } } },
        hop5: { env: { FAILURES: '1', OTEL_SERVICE_NAME: 'hop5' } },
      });
      await caller.run(order('order-10'), () => caller.client(Hop, 'hop1').call({}));
      const own = (): readonly Told[] => {
        const first = receiver.spans.find(
          ({ attributes }) => attributes['outrigger.correlation_id'] === 'order-10',
        );
        return first === undefined ? [] : receiver.spans.filter(({ trace }) => trace === first.trace);
      };
      const rootsOf = (spans: readonly Told[]): readonly Told[] =>
        spans.filter(({ parent }) => !spans.some(({ id }) => id === parent));
      const isWhole = (spans: readonly Told[]): boolean =>
        ['web', 'hop1', 'hop2', 'hop3', 'hop4', 'hop5'].every((name) =>
          spans.some(({ service }) => service === name),
        ) && rootsOf(spans).length === 1;
      await eventually(
        () => isWhole(own()) && own().filter(({ error }) => error).length >= 3,
        'one whole trace',
      );
      const spans = own();
      expect(rootsOf(spans).map(({ kind }) => kind)).toEqual(['CLIENT']);
      const attempts = spans.filter(
        ({ service, attributes }) => service === 'hop4' && attributes['outrigger.attempt'] !== undefined,
      );
      const [failed, again] = [...attempts].sort((one, other) => one.begunAt - other.begunAt);
      expect([attempts.length, failed!.error, again!.error, again!.links]).toEqual([
        2,
        true,
        false,
        [failed!.id],
      ]);
      // Each of them was served, by a sidecar and by its app.
      for (const attempt of attempts) {
        const [server] = spans.filter(({ parent }) => parent === attempt.id);
        expect([server!.service, server!.kind]).toEqual(['hop5', 'SERVER']);
        expect(spans.filter(({ parent }) => parent === server!.id).map(({ kind }) => kind)).toEqual([
          'SERVER',
        ]);
      }
    } finally {
      await chain?.close();
      chain = null;
      receiver.close();
      vi.unstubAllEnvs();
    }
  }, 120_000);
});

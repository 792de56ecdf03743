import { afterEach, describe, expect, it } from 'vitest';
import { flagsOf } from '../../../sdk/flags.ts';
import { eventually } from '../../support/eventually.ts';
import { go, python } from '../tools.ts';
import { type Chain, nodeHop, startChain } from './chain.ts';
import { Hop } from './methods.ts';

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

describe.skipIf(missing.length > 0)('five services in three languages, each with a sidecar', () => {
  it('have one correlation id in every line of every log, a deadline that shrinks, and one trace', async () => {
    chain = await startChain(commands());
    const first = chain.caller.client(Hop, 'hop1');
    await eventually(
      () =>
        first.call({}).then(
          () => true,
          () => false,
        ),
      'the chain to answer',
    );
    const hops = await chain.caller.run({ correlationId: 'order-7', timeout: '10s' }, () => first.call({}));
    expect(hops.map(({ name, caller }) => [name, caller])).toEqual([
      ['hop1', 'web'],
      ['hop2', 'hop1'],
      ['hop3', 'hop2'],
      ['hop4', 'hop3'],
      ['hop5', 'hop4'],
    ]);
    const left = hops.map(({ leftMs }) => leftMs);
    for (const [at, ms] of left.entries())
      expect(ms, `hop ${at + 1}`).toBeLessThan(at === 0 ? 10_000 : left[at - 1]!);
    expect(new Set(hops.map(({ traceparent }) => traceparent.split('-')[1])).size).toBe(1);
    await eventually(
      () => chain!.links.every(({ log }) => log.some(({ id }) => id === 'order-7')),
      'the logs',
    );
    expect(hops.map(({ id }) => id)).toEqual(Array(5).fill('order-7'));
    expect(hops.map(({ baggage }) => Object.fromEntries(flagsOf(baggage)))).toEqual(Array(5).fill({}));
  }, 120_000);
});

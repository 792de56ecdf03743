import { describe, expect, it } from 'vitest';
import type { ChainAnswer } from '../../../../sidecar/consul/chain-answer.ts';
import { compileChain, type Plan } from '../../../../sidecar/sources/chain/compile.ts';
import { chainOf, grpcServices } from '../../../support/chains.ts';

const compile = (chain: ChainAnswer): Plan => compileChain('web', chain, () => null);

describe('a chain that cannot be followed', () => {
  it.each<[string, (chain: ChainAnswer) => Partial<ChainAnswer>, string]>([
    ['without its start', () => ({ StartNode: 'x' }), "it has no node 'x'"],
    ['that starts at what every object has', () => ({ StartNode: 'constructor' }), "no node 'constructor'"],
    ['without its targets', () => ({ Targets: {} }), "it has no target 'web.default.dc1'"],
    [
      'that runs in a circle',
      () => ({
        StartNode: 'a',
        Nodes: { a: { Type: 'splitter', Name: 'a', Splits: [{ Weight: 100, NextNode: 'a' }] } },
      }),
      'more than 10 deep',
    ],
    [
      'with a node of another kind',
      () => ({ StartNode: 'a', Nodes: { a: { Type: 'sorter', Name: 'a' } } }),
      "unknown type 'sorter'",
    ],
  ])('is refused: one %s', (_, change, why) => {
    const chain = chainOf('web');
    expect(() => compile({ ...chain, ...change(chain) })).toThrow(why);
  });

  it('with more turns than calls could take is refused before it holds the loop', () => {
    const chain = chainOf('web');
    const splitter = (at: number) => ({
      ...{ Type: 'splitter', Name: `s${at}` },
      Splits: Array.from({ length: 100 }, () => ({
        Weight: 1,
        NextNode: at === 9 ? chain.StartNode : `s${at + 1}`,
      })),
    });
    const splitters = Object.fromEntries(Array.from({ length: 10 }, (_, at) => [`s${at}`, splitter(at)]));
    const begun = performance.now();
    expect(() => compile({ ...chain, StartNode: 's0', Nodes: { ...chain.Nodes, ...splitters } })).toThrow(
      'it divides calls more than 100000 times',
    );
    expect(performance.now() - begun).toBeLessThan(2000);
  });

  it('with more than 64 targets is refused', () => {
    const Splits = Array.from({ length: 65 }, (_, at) => ({ Weight: 100 / 65, Service: `s${at}` }));
    const names = Splits.map(({ Service }) => Service);
    const entries = [...grpcServices('web', ...names)];
    const chain = chainOf('web', ...entries);
    const whole = chainOf('web', ...entries, {
      Kind: 'service-splitter',
      Name: 'web',
      Splits: Splits.map((split, at) => ({ ...split, Weight: at < 35 ? 2 : 1 })),
    });
    expect(() => compile(whole)).toThrow('it leads to 65 targets, above 64');
    expect(compile(chain).table).toBeNull();
  });
});

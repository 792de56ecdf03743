import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ChainAnswer, chainAnswer } from '../../../../sidecar/consul/chain-answer.ts';
import { ruleFinder } from '../../../../sidecar/policies/route-match.ts';
import { legOf } from '../../../../sidecar/policies/split.ts';
import { compileChain } from '../../../../sidecar/sources/chain/compile.ts';
import { newCall } from '../../../support/calls.ts';
import { chainOf, type Entry, grpcServices } from '../../../support/chains.ts';
import { stillKit } from '../../../support/kit.ts';

const { clock } = stillKit();
const services = ['web', 'a', 'b', 'c'];
const service = fc.constantFrom(...services);
const subset = fc.constantFrom('', 'v1', 'v2');
const versions = { v1: { Filter: 'Service.Meta.v == 1' }, v2: { Filter: 'Service.Meta.v == 2' } };

const resolver = (Name: string): fc.Arbitrary<Entry> =>
  fc
    .record(
      {
        DefaultSubset: fc.constantFrom('v1', 'v2'),
        Failover: fc.record({ '*': fc.record({ Service: service }) }),
      },
      { requiredKeys: [] },
    )
    .map((said) => ({ Kind: 'service-resolver', Name, Subsets: versions, ...said }));

const splitter = (Name: string): fc.Arbitrary<Entry> =>
  fc
    .array(fc.record({ Service: service, ServiceSubset: subset }), { minLength: 1, maxLength: 4 })
    .map((sides) => ({
      Kind: 'service-splitter',
      Name,
      Splits: sides.map((side, at) => ({
        ...side,
        Weight: at === 0 ? 100 - 10 * (sides.length - 1) : 10,
      })),
    }));

const route = fc.record({
  Match: fc.record({
    HTTP: fc.record(
      {
        PathPrefix: fc.constantFrom('/s.A/', '/s.B/'),
        Header: fc.array(fc.record({ Name: fc.constantFrom('h', 'i'), Exact: fc.constantFrom('1', '2') }), {
          minLength: 1,
          maxLength: 2,
        }),
      },
      { requiredKeys: [] },
    ),
  }),
  Destination: fc.record({ Service: service, ServiceSubset: subset }),
});
const router = fc
  .array(route, { maxLength: 4 })
  .map((Routes): Entry => ({ Kind: 'service-router', Name: 'web', Routes }));

const entries = fc
  .tuple(
    fc.option(router, { nil: null }),
    ...services.flatMap((name) => [
      fc.option(resolver(name), { nil: null }),
      fc.option(splitter(name), { nil: null, freq: 1 }),
    ]),
  )
  .map((all) => [...grpcServices(...services), ...all.filter((entry) => entry !== null)]);

/** The chain that Consul would answer; undefined where it would refuse the entries. */
const chainOrNone = (all: readonly Entry[]): ChainAnswer | undefined => {
  try {
    return chainOf('web', ...all);
  } catch {
    return undefined;
  }
};

/** Where the chain itself leads a call, read node by node. */
const walk = (chain: ChainAnswer, path: string, h: string, i: string, id: string): string => {
  let key = chain.StartNode;
  for (;;) {
    const node = chain.Nodes[key]!;
    if (node.Type === 'resolver') return String(node.Resolver!['Target']);
    if (node.Type === 'splitter') {
      const legs = node.Splits!.map(({ Weight, NextNode }) => ({ weight: Weight, targets: [NextNode] }));
      key = legOf(
        legs.filter(({ weight }) => weight > 0),
        'web',
        id,
      )!.targets[0]!;
      continue;
    }
    key = node.Routes!.find(({ Definition }) => {
      const http =
        ((Definition.Match ?? {}) as { HTTP?: { PathPrefix?: string; Header?: Rule[] } }).HTTP ?? {};
      const wants = (http.Header ?? []).every(({ Name, Exact }) => (Name === 'h' ? h : i) === Exact);
      return path.startsWith(http.PathPrefix ?? '/') && wants;
    })!.NextNode;
  }
};
type Rule = { readonly Name: string; readonly Exact: string };

describe('whatever the entries', () => {
  it('the plan leads each call where the chain does', () => {
    let plans = 0;
    const value = fc.constantFrom('1', '2', '3');
    const call = fc.tuple(
      fc.constantFrom('/s.A/X', '/s.B/Y', '/s.C/Z'),
      value,
      value,
      fc.string({ minLength: 1 }),
    );
    fc.assert(
      fc.property(entries, call, (all, [method, h, i, id]) => {
        const chain = chainOrNone(all);
        if (chain === undefined) return;
        plans++;
        const plan = compileChain('web', chain, () => null);
        const keys = plan.targets.map(({ key }) => key);
        expect(new Set(keys).size).toBe(keys.length);
        const id0 = walk(chain, method, h, i, id);
        const { Service, Subset } = chain.Targets[id0]!;
        const wanted = Subset?.Filter ? `${id0}?${Subset.Filter}` : Service;
        if (plan.table === null) {
          expect(keys).toEqual(['web']);
          expect(wanted).toBe('web');
          return;
        }
        for (const { legs } of plan.table.rules)
          for (const { weight, targets } of legs) {
            expect(weight).toBeGreaterThan(0);
            for (const target of targets) expect(keys).toContain(target);
          }
        const made = newCall(clock, { method, metadata: ['h', h, 'i', i] });
        const rule = ruleFinder()(plan.table, made)!;
        expect(legOf(rule.legs, 'web', id)!.targets[0]).toBe(wanted);
      }),
      { numRuns: 1500 },
    );
    expect(plans).toBeGreaterThan(300);
  });

  it('nonsense in the place of a chain is refused with words, and never runs on', () => {
    const node = fc.record(
      {
        Type: fc.constantFrom('router', 'splitter', 'resolver', 'x'),
        Routes: fc.array(fc.record({ Definition: fc.anything(), NextNode: fc.constantFrom('a', 'b', 'c') })),
        Splits: fc.array(
          fc.record({ Weight: fc.integer({ min: -1, max: 100 }), NextNode: fc.constantFrom('a', 'b') }),
        ),
        Resolver: fc.record(
          { Target: fc.constantFrom('t', 'u'), Failover: fc.anything(), ConnectTimeout: fc.anything() },
          { requiredKeys: [] },
        ),
        LoadBalancer: fc.anything(),
      },
      { requiredKeys: ['Type'] },
    );
    const Targets = fc.constant({ t: { ID: 't', Service: 'web' } });
    const answer = fc.record({
      Chain: fc.record({
        StartNode: fc.constantFrom('a', 'b'),
        Nodes: fc.record({ a: node, b: node }, { requiredKeys: [] }),
        Targets,
      }),
    });
    let compiled = 0;
    fc.assert(
      fc.property(answer, (said) => {
        const checked = chainAnswer.safeParse(said);
        if (!checked.success) return;
        try {
          compileChain('web', checked.data, () => null);
          compiled++;
        } catch (thrown) {
          expect((thrown as Error).message).toMatch(/^it/);
        }
      }),
      { numRuns: 2000 },
    );
    // About twenty do; fewer than ten come by chance.
    expect(compiled).toBeGreaterThan(0);
  });
});

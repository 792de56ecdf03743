import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Choose } from '../../../sidecar/policies/choose.ts';
import { leastBad } from '../../../sidecar/policies/least-bad.ts';
import { peakEwma } from '../../../sidecar/policies/peak-ewma.ts';
import { roundRobin } from '../../../sidecar/policies/round-robin.ts';
import { twoChoices } from '../../../sidecar/policies/two-choices.ts';
import { FakeEndpoint } from '../../support/calls.ts';

const endpoints = fc.array(
  fc.record({ load: fc.nat(5), available: fc.boolean(), reachable: fc.boolean(), met: fc.boolean() }),
  { maxLength: 6 },
);

const chances = fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }));

const made = (each: readonly { load: number; available: boolean; reachable: boolean; met: boolean }[]) => {
  const all = each.map(({ load, available, reachable }, at) =>
    Object.assign(new FakeEndpoint(`10.0.0.${at + 1}:1`), { load, available, reachable }),
  );
  return { all, met: all.filter((_, at) => each[at]!.met) };
};

/** One suite for every balancer. */
const balances = (name: string, make: (random: () => number) => Choose): void => {
  describe(name, () => {
    it('finds a usable endpoint exactly when there is one', () => {
      fc.assert(
        fc.property(endpoints, chances, (each, stream) => {
          const { all, met } = made(each);
          const random = () => stream.next().value as number;
          const chosen = make(random)(all, met, 0, null);
          const usable = all.filter((endpoint) => endpoint.available && !met.includes(endpoint));
          if (usable.length === 0) expect(chosen).toBeNull();
          else expect(usable).toContain(chosen);
        }),
      );
    });

    it('reaches every usable endpoint', () => {
      let seed = 7;
      const random = () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
      const { all } = made(
        Array.from({ length: 5 }, () => ({ load: 0, available: true, reachable: true, met: false })),
      );
      const choose = make(random);
      expect(new Set(Array.from({ length: 200 }, () => choose(all, [], 0, null))).size).toBe(5);
    });
  });
};

balances('peak EWMA', peakEwma);
balances('two choices', twoChoices);
balances('round robin', roundRobin);

describe('two choices', () => {
  it('never takes the more loaded of the two', () => {
    const [one, other] = [new FakeEndpoint('a:1'), new FakeEndpoint('b:1')];
    one.load = 2;
    other.load = 1;
    for (const chance of [0, 0.49, 0.5, 0.99])
      expect(twoChoices(() => chance)([one, other], [], 0, null)).toBe(other);
  });
});

describe('round robin', () => {
  it('begins where chance says', () => {
    const all = ['a:1', 'b:1', 'c:1'].map((id) => new FakeEndpoint(id));
    const choose = roundRobin(() => 0.5);
    expect([choose(all, [], 0, null), choose(all, [], 0, null), choose(all, [], 0, null)]).toEqual([
      all[1],
      all[2],
      all[0],
    ]);
  });

  it('gives each service its own turn, so that two that alternate do not starve each other', () => {
    const [a, b] = [
      ['a1:1', 'a2:1'],
      ['b1:1', 'b2:1'],
    ].map((ids) => ids.map((id) => new FakeEndpoint(id)));
    const choose = roundRobin(() => 0);
    const chosen = [a!, b!, a!, b!].map((list) => choose(list, [], 0, null)!.address.id);
    expect(chosen).toEqual(['a1:1', 'b1:1', 'a2:1', 'b2:1']);
  });
});

describe('the least bad', () => {
  const make = (id: string, parts: Partial<FakeEndpoint>) =>
    Object.assign(new FakeEndpoint(id), { available: false, reachable: false, ...parts });

  it('is chosen in this order', () => {
    const availableMet = make('a:1', { available: true, reachable: true });
    const reachable = make('b:1', { reachable: true });
    const reachableMet = make('c:1', { reachable: true });
    const unmet = make('d:1', {});
    const any = make('e:1', {});
    const all = [any, unmet, reachableMet, reachable, availableMet];
    const order: string[] = [];
    while (all.length > 0) {
      const next = leastBad(all, [availableMet, reachableMet, any])!;
      order.push(next.address.id);
      all.splice(all.indexOf(next as FakeEndpoint), 1);
    }
    expect(order).toEqual(['a:1', 'b:1', 'c:1', 'd:1', 'e:1']);
  });

  it('is the less loaded among equals, and nobody of nobody', () => {
    const busy = make('a:1', { load: 2 });
    const idle = make('b:1', { load: 1 });
    expect(leastBad([busy, idle], [])).toBe(idle);
    expect(leastBad([], [])).toBeNull();
  });
});

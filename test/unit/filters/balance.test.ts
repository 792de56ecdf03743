import { describe, expect, it } from 'vitest';
import { Code } from '../../../sidecar/core/status.ts';
import { type BalanceSettings, balance } from '../../../sidecar/filters/balance.ts';
import { answer, FakeEndpoint, routedCall, run, service } from '../../support/calls.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { stillKit } from '../../support/kit.ts';

const inventory = service('inventory');

for (const choose of ['least-loaded', 'round-robin'] as const) {
  keepsTheFilterContract('balance', {
    make: (kit) => balance(kit, () => [new FakeEndpoint()], { choose }),
    call: ({ clock }) => routedCall(clock, inventory),
    refused: {},
  });
  keepsTheFilterContract('balance', {
    make: (kit) => balance(kit, ({ name }) => (name === 'empty' ? [] : [new FakeEndpoint()]), { choose }),
    call: ({ clock }) => routedCall(clock, inventory),
    refused: { 'a service without an endpoint': ({ clock }) => routedCall(clock, service('empty')) },
  });
}

const many = (count: number) =>
  Array.from({ length: count }, (_, at) => new FakeEndpoint(`10.0.0.${at + 1}:1`));

/** Where `calls` calls go, by the last number of the address. */
const spread = (
  endpoints: FakeEndpoint[],
  calls: number,
  random = dice(),
  settings?: BalanceSettings,
): number[] => {
  const kit = stillKit(random);
  const filter = balance(kit, () => endpoints, settings);
  return Array.from({ length: calls }, () => {
    let chosen = -1;
    void filter(routedCall(kit.clock, inventory), ({ endpoint, call }) => {
      chosen = endpoints.indexOf(endpoint as FakeEndpoint) + 1;
      expect(call.life.at).toBe(endpoint);
      return answer();
    });
    return chosen;
  });
};

/** Chance that repeats itself: a linear congruential generator. */
const dice =
  (seed = 1) =>
  () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed / 2 ** 31;
  };

const tally = (chosen: number[]): Record<number, number> => {
  const counts: Record<number, number> = {};
  for (const each of chosen) counts[each] = (counts[each] ?? 0) + 1;
  return counts;
};

describe('balance', () => {
  it('takes the less loaded of two', () => {
    const endpoints = many(2);
    endpoints[0]!.load = 3;
    expect(tally(spread(endpoints, 50))).toEqual({ 2: 50 });
  });

  it('spreads calls over all when they are alike', () => {
    const counts = tally(spread(many(4), 4000));
    for (const count of Object.values(counts)) expect(Math.abs(count - 1000)).toBeLessThan(120);
    expect(Object.keys(counts)).toHaveLength(4);
  });

  it('never sends to an endpoint that is not available while another is', () => {
    const endpoints = many(5);
    for (const at of [0, 1, 3]) endpoints[at]!.available = false;
    expect(new Set(spread(endpoints, 500))).toEqual(new Set([3, 5]));
  });

  it('control: blind chance would send there', () => {
    const random = dice();
    const blind = Array.from({ length: 500 }, () => Math.floor(random() * 5) + 1);
    expect(new Set(blind)).toEqual(new Set([1, 2, 3, 4, 5]));
  });

  it('goes round by setting, each service in its own turn', () => {
    const chosen = spread(many(3), 7, () => 0, { choose: 'round-robin' });
    expect(chosen).toEqual([1, 2, 3, 1, 2, 3, 1]);
  });

  it('goes round past endpoints that are not available', () => {
    const endpoints = many(3);
    endpoints[1]!.available = false;
    expect(spread(endpoints, 4, () => 0, { choose: 'round-robin' })).toEqual([1, 3, 1, 3]);
  });

  it('does not meet an endpoint again while there is another', () => {
    const kit = stillKit(dice());
    const endpoints = many(2);
    endpoints[1]!.load = 1000;
    const filter = balance(kit, () => endpoints);
    for (let at = 0; at < 50; at++)
      void filter({ ...routedCall(kit.clock, inventory), met: [endpoints[0]!] }, ({ endpoint, previous }) => {
        expect(endpoint).toBe(endpoints[1]);
        expect(previous).toBe(1);
        return answer();
      });
  });

  it('takes the least bad when all gates are shut: a call is not failed for that', () => {
    const endpoints = many(3);
    for (const endpoint of endpoints) endpoint.available = false;
    endpoints[0]!.reachable = false;
    endpoints[1]!.load = 5;
    expect(tally(spread(endpoints, 20))).toEqual({ 3: 20 });
  });

  it('tries an unreachable endpoint when there is nothing else, to learn why', async () => {
    const [only] = many(1);
    only!.available = false;
    only!.reachable = false;
    expect(tally(spread([only!], 1))).toEqual({ 1: 1 });
  });

  it('takes the trial of an endpoint that is probing', () => {
    const [probing] = many(1);
    probing!.gate = 'probing';
    spread([probing!], 1);
    expect(probing!.trialFree).toBe(false);
  });

  it('says that a service has no instance', async () => {
    const kit = stillKit();
    const status = await run(
      (each) => balance(kit, () => [])(each, () => answer()),
      routedCall(kit.clock, inventory),
    );
    expect(status).toEqual({
      code: Code.UNAVAILABLE,
      message: "service 'inventory' has no instance now",
      from: 'mesh',
      reached: false,
    });
  });
});

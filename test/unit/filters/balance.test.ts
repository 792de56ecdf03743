import { describe, expect, it } from 'vitest';
import type { EndpointView } from '../../../sidecar/core/endpoint.ts';
import type { Balance } from '../../../sidecar/core/policy.ts';
import { Code } from '../../../sidecar/core/status.ts';
import { balance } from '../../../sidecar/filters/balance.ts';
import { answer, FakeEndpoint, routedCall, run, service, snapshot } from '../../support/calls.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { stillKit } from '../../support/kit.ts';
import { always } from '../../support/policies.ts';

const inventory = service('inventory');

/** What a call says whose policy chooses so. */
const chosenBy = (balance: Balance) => ({ snapshot: snapshot({ policies: always({ balance }) }) });

for (const choose of ['two-choices', 'round-robin'] as const) {
  keepsTheFilterContract('balance', {
    make: (kit) => balance(kit, () => [new FakeEndpoint()]),
    call: ({ clock }) => routedCall(clock, inventory, chosenBy(choose)),
    refused: {},
  });
  keepsTheFilterContract('balance', {
    make: (kit) => balance(kit, ({ name }) => (name === 'empty' ? [] : [new FakeEndpoint()])),
    call: ({ clock }) => routedCall(clock, inventory, chosenBy(choose)),
    refused: {
      'a service without an endpoint': ({ clock }) => routedCall(clock, service('empty'), chosenBy(choose)),
    },
  });
}

const many = (count: number) =>
  Array.from({ length: count }, (_, at) => new FakeEndpoint(`10.0.0.${at + 1}:1`));

/** Where `calls` calls go, by the last number of the address. */
const spread = (
  endpoints: FakeEndpoint[],
  calls: number,
  random = dice(),
  choose: Balance = 'two-choices',
): number[] => {
  const kit = stillKit(random);
  const filter = balance(kit, () => endpoints);
  return Array.from({ length: calls }, () => {
    let chosen = -1;
    let noted: EndpointView | null = null;
    const routed = routedCall(kit.clock, inventory, chosenBy(choose));
    void filter(routed, ({ endpoint, call }) => {
      chosen = endpoints.indexOf(endpoint as FakeEndpoint) + 1;
      noted = call.life.at;
      return answer();
    });
    expect(noted).toBe(endpoints[chosen - 1]);
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

  it('control: with the same dice it sends there once they are available', () => {
    expect(new Set(spread(many(5), 500))).toEqual(new Set([1, 2, 3, 4, 5]));
  });

  it('goes round where the policy says so', () => {
    const chosen = spread(many(3), 7, () => 0, 'round-robin');
    expect(chosen).toEqual([1, 2, 3, 1, 2, 3, 1]);
  });

  it('goes round each service in its own turn', () => {
    const kit = stillKit(() => 0);
    const lists: Record<string, FakeEndpoint[]> = { orders: many(2), payments: many(3) };
    const filter = balance(kit, ({ name }) => lists[name]!);
    const chosen: string[] = [];
    for (const name of ['orders', 'payments', 'orders', 'payments', 'orders', 'payments'])
      void filter(routedCall(kit.clock, service(name), chosenBy('round-robin')), ({ endpoint }) => {
        chosen.push(`${name} ${lists[name]!.indexOf(endpoint as FakeEndpoint) + 1}`);
        return answer();
      });
    expect(chosen).toEqual(['orders 1', 'payments 1', 'orders 2', 'payments 2', 'orders 1', 'payments 3']);
  });

  it('goes round past endpoints that are not available', () => {
    const endpoints = many(3);
    endpoints[1]!.available = false;
    expect(spread(endpoints, 4, () => 0, 'round-robin')).toEqual([1, 3, 1, 3]);
  });

  it('does not meet an endpoint again while there is another', () => {
    const kit = stillKit(dice());
    const endpoints = many(2);
    endpoints[1]!.load = 1000;
    const filter = balance(kit, () => endpoints);
    const chosen: string[] = [];
    const choose = (met: FakeEndpoint[]) =>
      void filter({ ...routedCall(kit.clock, inventory), met }, ({ endpoint, previous }) => {
        chosen.push(`${endpoint.address.id} after ${previous}`);
        return answer();
      });
    for (let at = 0; at < 50; at++) choose([endpoints[0]!]);
    expect(chosen).toEqual(Array(50).fill('10.0.0.2:1 after 1'));
    choose([]);
    expect(chosen.at(-1)).toBe('10.0.0.1:1 after 0'); // control: it is by far the less loaded
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
    expect(spread([probing!], 1)).toEqual([1]);
    expect(probing!.trialFree).toBe(false);
    expect(spread([probing!], 1)).toEqual([1]); // nothing better is left: it goes without the trial
    const [open] = many(1);
    spread([open!], 1);
    expect(open!.trialFree).toBe(true); // control
  });

  it('says which call goes beside the one on trial, so that only that one is judged', () => {
    const kit = stillKit();
    const [probing, open] = many(2) as [FakeEndpoint, FakeEndpoint];
    probing.gate = 'probing';
    const besides: (boolean | undefined)[] = [];
    const send = (endpoint: FakeEndpoint) =>
      void balance(kit, () => [endpoint])(routedCall(kit.clock, inventory), ({ beside }) => {
        besides.push(beside);
        return answer();
      });
    send(probing);
    send(probing);
    send(open);
    expect(besides).toEqual([false, true, false]);
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

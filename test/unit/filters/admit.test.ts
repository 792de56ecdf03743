import { describe, expect, it } from 'vitest';
import type { RoutedCall } from '../../../sidecar/core/call.ts';
import { Cell } from '../../../sidecar/core/cell.ts';
import type { Snapshot } from '../../../sidecar/core/snapshot.ts';
import { Code, ended, ok } from '../../../sidecar/core/status.ts';
import { admit } from '../../../sidecar/filters/admit.ts';
import { HeldReply, knowing, routedCall, run, service, settled, snapshot } from '../../support/calls.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { stillKit } from '../../support/kit.ts';
import { rule, ruled } from '../../support/policies.ts';

const inventory = service('inventory', '10.0.0.1:1');

/** A snapshot in which the policy of `inventory` has this limit. */
const limited = (inFlight: number, waiting: number): Snapshot => ({
  ...knowing(inventory),
  policies: ruled(rule('kv', 'inventory', '', { limit: { 'in-flight': inFlight, waiting } })),
});

keepsTheFilterContract('admit', {
  make: (kit) => admit(kit, new Cell(knowing(inventory))),
  call: ({ clock }) => routedCall(clock, inventory),
  refused: {},
});

/** Calls to a service in the test's hand. */
const setUp = (inFlight: number, waiting: number) => {
  const kit = stillKit();
  const snapshots = new Cell(limited(inFlight, waiting));
  const filter = admit(kit, snapshots);
  /** Calls that have gone on, in that order. */
  const begun: HeldReply[] = [];
  const order: number[] = [];
  let made = 0;
  const call = (to = inventory) => {
    const routed = routedCall(kit.clock, to);
    const number = made++;
    const status = run<RoutedCall>(
      (each) =>
        filter(each, ({ call: { life } }) => {
          const reply = new HeldReply(life);
          begun.push(reply);
          order.push(number);
          return Promise.resolve(reply);
        }),
      routed,
    );
    return { status, life: routed.call.life };
  };
  const calls = (count: number) => Array.from({ length: count }, () => call());
  const inFlightNow = () => begun.filter(({ over }) => over === null).length;
  const counted = (name: string) => kit.meter.count(name, 'inventory').value;
  return { kit, snapshots, begun, order, call, calls, inFlightNow, counted };
};

describe('admit', () => {
  it('lets exactly as many calls be in flight as the policy says, and the others wait', async () => {
    const { calls, begun, counted, inFlightNow, order } = setUp(3, 10);
    const all = calls(8);
    expect(inFlightNow()).toBe(3);
    expect(counted('outrigger_limit_waiting')).toBe(5);
    for (let at = 0; at < 8; at++) {
      begun[at]!.end(ok);
      await settled();
      expect(inFlightNow()).toBe(Math.min(3, 7 - at));
    }
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7]); // first come, first served
    for (const { status } of all) expect(await status).toBe(ok);
    expect(counted('outrigger_limit_waits_total')).toBe(5);
    expect(counted('outrigger_limit_waiting')).toBe(0);
  });

  it('lets all of them pass where the policy has room for all (control)', () => {
    const { calls, inFlightNow } = setUp(1024, 1024);
    calls(1024);
    expect(inFlightNow()).toBe(1024);
  });

  it('refuses a call for which there is no room to wait, and names the setting', async () => {
    const { calls, call, counted } = setUp(2, 3);
    calls(5);
    expect(await call().status).toEqual({
      code: Code.RESOURCE_EXHAUSTED,
      message:
        "too many calls to service 'inventory' are in flight and waiting: limit.in-flight is 2 and limit.waiting is 3 in the policy of 'inventory'",
      from: 'mesh',
      reached: false,
    });
    expect(counted('outrigger_limit_refused_total')).toBe(1);
  });

  it('lets those that wait go at once when a policy grants more room', async () => {
    const { calls, inFlightNow, snapshots } = setUp(500, 500);
    calls(1000);
    expect(inFlightNow()).toBe(500);
    snapshots.set(limited(800, 500));
    await settled();
    expect(inFlightNow()).toBe(800);
  });

  it('ends nothing when a policy grants less, and admits nobody until there is room again', async () => {
    const { calls, call, begun, inFlightNow, snapshots } = setUp(4, 10);
    calls(4);
    snapshots.set(limited(2, 10));
    call();
    for (const [ended, left] of [
      [0, 3],
      [1, 2],
      [2, 2],
    ] as const) {
      begun[ended]!.end(ok);
      await settled();
      expect(inFlightNow()).toBe(left);
    }
    expect(begun).toHaveLength(5); // the last one went in the place of the third that ended
  });

  it('lets a cancelled call go from wherever it stands in the queue', async () => {
    const { calls, begun, counted, order } = setUp(1, 10);
    const all = calls(4);
    const late = ended(Code.DEADLINE_EXCEEDED, 'late');
    expect(all[2]!.life.doing).toBe(
      "waiting for one of the 1 calls in flight to service 'inventory' to end (limit.in-flight)",
    );
    all[2]!.life.cancel(late);
    expect(await all[2]!.status).toBe(late);
    expect(counted('outrigger_limit_waiting')).toBe(2);
    begun[0]!.end(ok);
    await settled();
    begun[1]!.end(ok);
    await settled();
    expect(order).toEqual([0, 1, 3]);
  });

  it('gives the place back of a call that is cancelled as it gets it', async () => {
    const { calls, begun, inFlightNow } = setUp(1, 10);
    const all = calls(3);
    begun[0]!.end(ok);
    const gone = ended(Code.CANCELLED, 'gone');
    all[1]!.life.cancel(gone); // it has its place, and has not taken up again
    expect(await all[1]!.status).toBe(gone);
    await settled();
    expect(begun).toHaveLength(2);
    expect(inFlightNow()).toBe(1); // the third
  });

  it('counts each service by itself, and all subsets of one as one', () => {
    const { call, inFlightNow } = setUp(1, 10);
    call();
    const subset = { ...inventory, name: 'v2.inventory.default.dc1' };
    call(subset);
    expect(inFlightNow()).toBe(1);
    call(service('orders', '10.0.0.2:1'));
    expect(inFlightNow()).toBe(2);
  });

  it('forgets services that nobody calls', async () => {
    const { call, begun, snapshots, inFlightNow } = setUp(1, 0);
    call();
    begun[0]!.end(ok);
    await settled();
    snapshots.set(snapshot({ ...limited(2, 0), version: 2 }));
    call();
    call();
    expect(inFlightNow()).toBe(2); // by what the policy says now
  });
});

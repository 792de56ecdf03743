import { describe, expect, it } from 'vitest';
import { Cell } from '../../../sidecar/core/cell.ts';
import type { RouteTable } from '../../../sidecar/core/routes.ts';
import { Code, ok } from '../../../sidecar/core/status.ts';
import { route } from '../../../sidecar/filters/route.ts';
import {
  answer,
  type CallParts,
  HeldReply,
  newCall,
  notingDiscovery,
  run,
  service,
  snapshot,
} from '../../support/calls.ts';
import { rule, table, text } from '../../support/chains.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { stillKit } from '../../support/kit.ts';

const views = [
  service('one', '10.0.0.1:1'),
  service('two', '10.0.0.2:1'),
  service('spare', '10.0.0.3:1'),
  service('none'),
];
const targets = new Map(views.map((view) => [view.name, view]));
const leg = (weight: number, ...keys: string[]) => ({ weight, targets: keys });
const known = (routes: RouteTable) =>
  snapshot({ targets, routes: new Map([['web', routes]]), asked: new Map([['web', true]]) });

keepsTheFilterContract('route', {
  make: (kit) => route(kit, new Cell(snapshot()), notingDiscovery()),
  call: ({ clock }) =>
    newCall(clock, { authority: 'web', snapshot: known(table(rule({ legs: [leg(1, 'one')] }))) }),
  refused: {
    'a call that no route fits': ({ clock }) =>
      newCall(clock, { authority: 'web', snapshot: known(table(rule({ path: text('exact', '/a/b') }))) }),
    'a route without instances': ({ clock }) =>
      newCall(clock, { authority: 'web', snapshot: known(table(rule({ legs: [leg(1, 'none')] }))) }),
  },
});

const setUp = (routes: RouteTable) => {
  const kit = stillKit();
  const cell = new Cell(known(routes));
  const discovery = notingDiscovery();
  const filter = route(kit, cell, discovery);
  const went: string[] = [];
  let last = newCall(kit.clock);
  const ask = (parts: CallParts = {}, id = 'a') => {
    const call = newCall(kit.clock, { authority: 'web', snapshot: cell.value, ...parts });
    return run(
      (each) =>
        filter(each, (next) => {
          went.push(next.service.name);
          last = next.call;
          return answer();
        }),
      call.identified(id, '', '', ''),
    );
  };
  const unrouted = (reason: string) => kit.meter.count('outrigger_unrouted_total', reason).value;
  return { kit, cell, discovery, filter, went, ask, unrouted, last: () => last };
};

describe('a call to a name with routes', () => {
  it('goes to the first target that has an instance', async () => {
    const { ask, went, cell } = setUp(table(rule({ legs: [leg(1, 'none', 'gone', 'spare', 'one')] })));
    expect(await ask()).toBe(ok);
    cell.set({ ...cell.value, targets: new Map([...targets, ['none', service('none', '10.0.0.9:1')]]) });
    expect(await ask()).toBe(ok);
    expect(went).toEqual(['spare', 'none']);
  });

  it('is told what was looked at when none has', async () => {
    const { ask, unrouted } = setUp(table(rule({ legs: [leg(1, 'none', 'gone')] })));
    expect(await ask()).toEqual({
      code: Code.UNAVAILABLE,
      message: "the route of 'web' leads to none, then gone: no instance; asked for /v1/health/connect/web",
      from: 'mesh',
      reached: false,
    });
    expect(unrouted('empty')).toBe(1);
    const nowhere = setUp(table(rule({ legs: [leg(1)] })));
    expect((await nowhere.ask()).message).toContain('leads to no target that can be called');
  });

  it('takes the leg of its correlation id, each time', async () => {
    const { ask, went } = setUp(table(rule({ legs: [leg(50, 'one'), leg(50, 'two')] })));
    for (let call = 0; call < 40; call++) await ask({}, `id-${call % 20}`);
    expect(went.slice(0, 20)).toEqual(went.slice(20));
    expect(new Set(went)).toEqual(new Set(['one', 'two']));
  });

  it('is rewritten, but only to a gRPC method', async () => {
    const { ask, last, unrouted } = setUp(
      table(
        rule({ path: text('prefix', '/shop.'), rewrite: '/store.', legs: [leg(1, 'one')] }),
        rule({ path: text('exact', '/a.B/C'), rewrite: '/d.E/F', legs: [leg(1, 'one')] }),
        rule({ rewrite: '/', legs: [leg(1, 'one')] }),
      ),
    );
    expect(await ask({ method: '/shop.Inventory/Get' })).toBe(ok);
    expect([last().method, last().arrival.method]).toEqual(['/store.Inventory/Get', '/shop.Inventory/Get']);
    expect(await ask({ method: '/a.B/C' })).toBe(ok);
    expect(last().method).toBe('/d.E/F');
    expect(await ask({ method: '/x.Y/Z' })).toBe(ok);
    expect(last().method).toBe('/x.Y/Z');
    const bad = setUp(
      table(rule({ path: text('prefix', '/shop.Inventory/'), rewrite: '/v2/', legs: [leg(1, 'one')] })),
    );
    expect(await bad.ask({ method: '/shop.Inventory/Get' })).toBe(ok);
    const worse = setUp(
      table(rule({ path: text('prefix', '/shop'), rewrite: '/v2/a', legs: [leg(1, 'one')] })),
    );
    expect(await worse.ask({ method: '/shop.Inventory/Get' })).toMatchObject({
      code: Code.UNIMPLEMENTED,
      message: "a route of 'web' makes no gRPC method of /shop.Inventory/Get: its PrefixRewrite is '/v2/a'",
    });
    expect([worse.unrouted('rewrite'), unrouted('rewrite')]).toEqual([1, 0]);
  });

  it('that no route fits is unimplemented', async () => {
    const { ask, unrouted } = setUp(table(rule({ path: text('prefix', '/other') })));
    expect(await ask({ method: '/a.B/C' })).toMatchObject({
      code: Code.UNIMPLEMENTED,
      message: "no route of 'web' fits /a.B/C",
    });
    expect(unrouted('no-route')).toBe(1);
  });

  it('lasts no longer than its route grants, nor than its caller does', async () => {
    const { kit, filter, cell } = setUp(table(rule({ timeoutMs: 200, legs: [leg(1, 'one')] })));
    const begin = (deadlineAt: number) => {
      const call = newCall(kit.clock, { authority: 'web', snapshot: cell.value }).until(deadlineAt);
      let bound = 0;
      const status = run(
        (each) =>
          filter(each, ({ call: bounded }) => {
            bound = bounded.deadlineAt;
            return Promise.resolve(new HeldReply(bounded.life));
          }),
        call,
      );
      return { call, status, bound };
    };
    const now = kit.clock.now();
    const long = begin(now + 5000);
    const short = begin(now + 100);
    const endless = begin(Number.POSITIVE_INFINITY);
    expect([long.bound, short.bound, endless.bound]).toEqual([now + 200, now + 100, now + 200]);
    kit.pass(195);
    expect(long.call.life.outcome).toBeNull();
    kit.pass(10);
    expect(await long.status).toEqual({
      code: Code.DEADLINE_EXCEEDED,
      message:
        "the caller's sidecar: the 200 ms that a route of 'web' grants have passed; when it ended the call was waiting for the rest of a held reply",
      from: 'mesh',
      reached: true,
    });
    expect((await endless.status).code).toBe(Code.DEADLINE_EXCEEDED);
    expect(kit.meter.count('outrigger_deadline_expired_total', 'outbound').value).toBe(2);
    // The caller's own deadline is another filter's.
    expect(short.call.life.outcome).toBeNull();
    short.call.life.cancel(ok);
    await short.status;
    expect(kit.wheel.size).toBe(0);
  });

  it('finds routes by metadata and by port too, and new ones under a new snapshot', async () => {
    const { ask, went, cell } = setUp(table(rule({ legs: [leg(1, 'one')] })));
    expect(await ask({ authority: '', words: { service: 'web' } })).toBe(ok);
    expect(await ask({ authority: '', port: 'web' })).toBe(ok);
    expect(await ask({ authority: 'web.mesh:443' })).toBe(ok);
    cell.set(known(table(rule({ legs: [leg(1, 'two')] }))));
    expect(await ask()).toBe(ok);
    expect(went).toEqual(['one', 'one', 'one', 'two']);
  });

  it('waits for the first answer about its name, and then for nothing', async () => {
    const { filter, kit, cell } = setUp(table(rule({ legs: [leg(1, 'one')] })));
    const after = cell.value;
    cell.set(snapshot());
    const status = run(
      (each) => filter(each, () => answer()),
      newCall(kit.clock, { authority: 'web', snapshot: cell.value }),
    );
    cell.set(after);
    expect(await status).toBe(ok);
    expect(kit.wheel.size).toBe(0);
  });
});

it('discovery hears every two seconds that a name is in use, however often it is called', async () => {
  const { ask, discovery, kit } = setUp(table(rule({ legs: [leg(1, 'one')] })));
  for (let second = 0; second < 21; second++) {
    await ask();
    await ask();
    kit.pass(1000);
  }
  expect(discovery.wanted).toEqual(new Array(11).fill('web'));
});

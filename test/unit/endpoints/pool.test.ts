import { describe, expect, it } from 'vitest';
import type { Attempt } from '../../../sidecar/core/call.ts';
import { Code, ok } from '../../../sidecar/core/status.ts';
import { Pool } from '../../../sidecar/endpoints/pool.ts';
import { knowing, newAttempt, run, service } from '../../support/calls.ts';
import { fakeDial } from '../../support/fake-link.ts';
import { stillKit } from '../../support/kit.ts';

const setUp = () => {
  const kit = stillKit();
  const { dial, links } = fakeDial();
  const pool = new Pool(kit, dial, async () => 'failing');
  return { kit, links, pool };
};

const two = () => service('inventory', '10.0.0.1:1', '10.0.0.2:1');

describe('the pool', () => {
  it('has the endpoints of what it followed, the same list each time', () => {
    const { pool } = setUp();
    const view = two();
    pool.follow(knowing(view));
    const list = pool.endpoints(view);
    expect(list.map((endpoint) => endpoint.address.id)).toEqual(['10.0.0.1:1', '10.0.0.2:1']);
    expect(pool.endpoints(view)).toBe(list);
    expect(pool.endpoints(two())).toEqual([]); // a view that it never followed
  });

  it('keeps the list of a view that stays the same, so that round robin keeps its turn', () => {
    const { pool } = setUp();
    const view = two();
    pool.follow(knowing(view));
    const list = pool.endpoints(view);
    pool.follow(knowing(view, service('payments', '10.0.1.1:1')));
    expect(pool.endpoints(view)).toBe(list);
  });

  it('keeps endpoints, with their connections and gates, from snapshot to snapshot', () => {
    const { pool } = setUp();
    pool.follow(knowing(two()));
    const before = pool.list();
    const later = service('inventory', '10.0.0.2:1', '10.0.0.3:1');
    pool.follow(knowing(later));
    expect(pool.endpoints(later)[0]).toBe(before[1]);
    expect(pool.list()).toHaveLength(2);
  });

  it('makes another endpoint of an address that must prove another name', () => {
    const { pool } = setUp();
    pool.follow(knowing(two()));
    const before = pool.list();
    const view = two();
    const renamed = { ...view, endpoints: view.endpoints.map((each) => ({ ...each, service: 'stock' })) };
    pool.follow(knowing(renamed));
    expect(pool.endpoints(renamed)[0]).not.toBe(before[0]);
  });

  it('keeps an endpoint whose routes change: a subset of a service has the same instances', () => {
    const { pool } = setUp();
    pool.follow(knowing(two()));
    const before = pool.list();
    const subset = { ...two(), name: 'v1.inventory.default.dc1', endpoints: two().endpoints.slice(1) };
    const rest = { ...two(), name: 'v2.inventory.default.dc1', endpoints: two().endpoints.slice(0, 1) };
    const targets = new Map([subset, rest].map((view) => [view.name, view]));
    pool.follow({ ...knowing(), targets });
    expect(pool.endpoints(subset)).toEqual([before[1]]);
    expect(pool.endpoints(rest)).toEqual([before[0]]);
    expect(pool.list()).toEqual([before[1], before[0]]); // nobody leaves
    // A gate may shut while the service has another instance, in whichever subset.
    expect(pool.mayShut(before[0]!, 50)).toBe(true);
    pool.follow({ ...knowing(), targets: new Map([[subset.name, subset]]) });
    expect(pool.mayShut(before[1]!, 50)).toBe(false);
  });

  it('knows which services have calls in flight', async () => {
    const { pool, kit, links } = setUp();
    const view = two();
    pool.follow(knowing(view));
    const [endpoint] = pool.endpoints(view);
    expect(pool.isBusy('inventory')).toBe(false);
    const status = run<Attempt>((each) => endpoint!.send(each), newAttempt(kit.clock, endpoint!));
    expect([pool.isBusy('inventory'), pool.isBusy('payments')]).toEqual([true, false]);
    links[0]!.ready();
    links[0]!.end(0);
    expect(await status).toBe(ok);
    expect(pool.isBusy('inventory')).toBe(false);
  });

  it('keeps services apart that share an address', () => {
    const { pool } = setUp();
    const a = service('a', '10.0.0.1:1');
    const b = service('b', '10.0.0.1:1');
    pool.follow(knowing(a, b));
    expect(pool.endpoints(a)[0]).not.toBe(pool.endpoints(b)[0]);
  });

  it('counts an address that is said twice once', () => {
    const { pool } = setUp();
    const view = service('inventory', '10.0.0.1:1', '10.0.0.1:1');
    pool.follow(knowing(view));
    expect(pool.endpoints(view)).toHaveLength(1);
  });

  it('lets calls finish at an endpoint that vanished from the snapshot', async () => {
    const { pool, links, kit } = setUp();
    const view = two();
    pool.follow(knowing(view));
    const [first] = pool.endpoints(view);
    const attempt = newAttempt(kit.clock, first!);
    const status = run<Attempt>((each) => first!.send(each), attempt);
    links[0]!.ready();
    pool.follow(knowing(service('inventory', '10.0.0.2:1')));
    expect(pool.list()).toContain(first);
    expect(first!.available).toBe(false);
    links[0]!.end(0);
    expect(await status).toBe(ok);
    kit.pass(10_000);
    expect(pool.list()).not.toContain(first);
  });

  it('never lets the last available endpoint of a service be shut', () => {
    const { pool } = setUp();
    const view = two();
    pool.follow(knowing(view));
    const fail = (at: number) => {
      const endpoint = pool.endpoints(view)[at]!;
      for (let times = 0; times < 5; times++) endpoint.judge('failure', endpoint.epoch);
    };
    fail(0);
    fail(1);
    expect(pool.endpoints(view).map((endpoint) => endpoint.gate)).toEqual(['shut', 'open']);
    pool.close('the test is over');
  });

  it('closes everything at the end, and leaves nothing behind', async () => {
    const { pool, links, kit } = setUp();
    const view = two();
    pool.follow(knowing(view));
    const [first, second] = pool.endpoints(view);
    const flying = run<Attempt>((each) => first!.send(each), newAttempt(kit.clock, first!));
    links[0]!.ready();
    const waiting = run<Attempt>((each) => second!.send(each), newAttempt(kit.clock, second!));
    for (let times = 0; times < 5; times++) second!.judge('failure', second!.epoch);
    pool.close('shutting down');
    expect((await flying).code).toBe(Code.UNAVAILABLE);
    expect(await waiting).toMatchObject({ code: Code.UNAVAILABLE, reached: false });
    expect(kit.wheel.size).toBe(0);
    expect(links.every((link) => link.state === 'closed')).toBe(true);
    pool.follow(knowing(view));
    expect(pool.list()).toEqual([]);
  });
});

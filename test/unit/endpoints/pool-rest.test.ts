import { describe, expect, it } from 'vitest';
import type { Attempt } from '../../../sidecar/core/call.ts';
import { endpointDefaults } from '../../../sidecar/endpoints/endpoint-home.ts';
import { Pool } from '../../../sidecar/endpoints/pool.ts';
import { knowing, newAttempt, run, service } from '../../support/calls.ts';
import { fakeDial } from '../../support/fake-link.ts';
import { stillKit } from '../../support/kit.ts';

const both = service('inventory', '10.0.0.1:1', '10.0.0.2:1');
const second = service('inventory', '10.0.0.2:1');

/** A pool whose first instance has one connection and no calls, and has then left. */
const left = async (restMs: number) => {
  const kit = stillKit();
  const { dial, links } = fakeDial();
  const pool = new Pool(kit, dial, async () => 'failing', { ...endpointDefaults, restMs });
  pool.follow(knowing(both));
  const [first] = pool.endpoints(both);
  const call = run<Attempt>((each) => first!.send(each), newAttempt(kit.clock, first!));
  links[0]!.ready();
  links[0]!.end(0);
  await call;
  pool.follow(knowing(second));
  return { kit, links, pool, first: first! };
};

describe('an instance that leaves', () => {
  it('and is back within 10 s has its connection still', async () => {
    const { kit, links, pool, first } = await left(10_000);
    expect([first.available, links[0]!.state]).toEqual([false, 'ready']);
    expect(pool.list()).toContain(first);
    kit.pass(9000);
    pool.follow(knowing(both));
    expect(pool.endpoints(both)[0]).toBe(first);
    expect(first.available).toBe(true);
    kit.pass(10_000);
    expect([links.length, links[0]!.state]).toEqual([1, 'ready']);
    pool.close('the test is over');
    expect(kit.wheel.size).toBe(0);
  });

  it('would need another one without that rest (control)', async () => {
    const { links, pool, first } = await left(0);
    expect(links[0]!.state).toBe('closed');
    pool.follow(knowing(both));
    expect(pool.endpoints(both)[0]).not.toBe(first);
    pool.close('the test is over');
  });

  it('and stays away hangs up after 10 s', async () => {
    const { kit, links, pool, first } = await left(10_000);
    kit.pass(10_000);
    expect(links[0]!.state).toBe('closed');
    expect(pool.list()).not.toContain(first);
    pool.follow(knowing(both));
    expect(pool.endpoints(both)[0]).not.toBe(first);
    pool.close('the test is over');
    expect(kit.wheel.size).toBe(0);
  });

  it.each(['goAway', 'break'] as const)('is dialled no more when it hangs up itself (%s)', async (how) => {
    const { kit, links, pool, first } = await left(10_000);
    links[0]![how]('it stops');
    kit.pass(5000);
    expect(links).toHaveLength(1);
    expect(first.trouble).toBe("it is no longer an instance of 'inventory'");
    pool.follow(knowing(both));
    expect(pool.endpoints(both)[0]).not.toBe(first);
    pool.close('the test is over');
    expect(kit.wheel.size).toBe(0);
  });
});

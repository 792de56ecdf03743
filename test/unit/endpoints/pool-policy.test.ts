import { describe, expect, it } from 'vitest';
import type { Dial } from '../../../sidecar/core/link.ts';
import type { Policies } from '../../../sidecar/core/policy.ts';
import { Pool } from '../../../sidecar/endpoints/pool.ts';
import { knowing, newAttempt, run, service } from '../../support/calls.ts';
import { fakeDial } from '../../support/fake-link.ts';
import { stillKit } from '../../support/kit.ts';
import { lost } from '../../support/one-gate.ts';
import { rule, ruled } from '../../support/policies.ts';

const inventory = service('inventory', '10.0.0.1:1', '10.0.0.2:1');

const setUp = () => {
  const kit = stillKit();
  const { dial, links } = fakeDial();
  const connectMs: (number | undefined)[] = [];
  const noting: Dial = (address, events, ms) => {
    connectMs.push(ms);
    return dial(address, events);
  };
  const pool = new Pool(kit, noting, async () => 'failing');
  const follow = (policies: Policies) => {
    pool.follow({ ...knowing(inventory), policies });
    return pool.endpoints(inventory)[0]!;
  };
  return { kit, links, pool, connectMs, follow };
};

/** How many failures in a row shut the gate. */
const failuresUntilShut = (endpoint: ReturnType<ReturnType<typeof setUp>['follow']>): number => {
  let failures = 0;
  for (; endpoint.gate === 'open' && failures < 20; failures++)
    endpoint.judge('failure', endpoint.epoch, lost);
  return failures;
};

describe('a policy of a service', () => {
  it('says how many failures shut an endpoint, of that service alone', () => {
    const { follow, pool } = setUp();
    expect(failuresUntilShut(follow(ruled(rule('kv', 'inventory', '', { eject: { failures: 2 } }))))).toBe(2);
    pool.close('over');
    expect(
      failuresUntilShut(setUp().follow(ruled(rule('kv', 'orders', '', { eject: { failures: 2 } })))),
    ).toBe(5);
  });

  it('holds for endpoints that are there already, failures that were counted included', () => {
    const { follow } = setUp();
    const endpoint = follow(ruled());
    for (let at = 0; at < 3; at++) endpoint.judge('failure', endpoint.epoch, lost);
    expect(follow(ruled(rule('kv', 'inventory', '', { eject: { failures: 2 } })))).toBe(endpoint);
    expect(endpoint.gate).toBe('open'); // what is over is not judged again
    expect(failuresUntilShut(endpoint)).toBe(1);
  });

  it('says how long a connection may take, from the next one on', async () => {
    const { kit, follow, connectMs, links } = setUp();
    const call = (endpoint: ReturnType<typeof follow>) =>
      void run((each) => endpoint.send(each), newAttempt(kit.clock, endpoint));
    call(follow(ruled()));
    call(follow(ruled(rule('entries', 'inventory', '', { connect: 5000 }))));
    expect(connectMs).toEqual([2000]); // the first is still on its way
    links[0]!.break('refused');
    kit.pass(5000);
    expect(connectMs).toEqual([2000, 5000]);
  });
});

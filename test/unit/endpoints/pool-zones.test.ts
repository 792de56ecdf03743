import { describe, expect, it } from 'vitest';
import type { Address } from '../../../sidecar/core/endpoint.ts';
import type { PolicyWords } from '../../../sidecar/core/policy.ts';
import type { ServiceView } from '../../../sidecar/core/snapshot.ts';
import { broken, Code, type Status } from '../../../sidecar/core/status.ts';
import { Pool } from '../../../sidecar/endpoints/pool.ts';
import { address, knowing, newAttempt, run, service } from '../../support/calls.ts';
import { fakeDial } from '../../support/fake-link.ts';
import { stillKit } from '../../support/kit.ts';
import { always } from '../../support/policies.ts';

const setUp = () => {
  const kit = stillKit();
  const { dial, links } = fakeDial();
  const pool = new Pool(kit, dial, async () => 'failing');
  const follow = (view: ServiceView, words: PolicyWords = {}) => {
    pool.follow({ ...knowing(view), policies: always(words) });
    return pool.endpoints(view);
  };
  return { kit, links, pool, follow };
};

const at = (id: string, zone?: string): Address => ({ ...address(id), ...(zone !== undefined && { zone }) });

const inventory = (...endpoints: Address[]): ServiceView => ({ ...service('inventory'), endpoints });

describe('the zones of a pool', () => {
  const zoned = inventory(
    at('10.0.0.1:1', 'a'),
    at('10.0.0.2:1', 'b'),
    at('10.0.0.3:1'),
    at('10.0.0.4:1', 'a'),
  );

  it('are known once ours is: before that nobody comes first', () => {
    const { pool, follow } = setUp();
    const before = follow(zoned);
    expect(before.map(({ zone }) => zone)).toEqual([null, null, null, null]);
    expect(pool.near(before)).toBeNull();
    pool.stand('a');
    const list = follow(zoned);
    expect(list.map(({ zone }) => zone)).toEqual(['own', 'other', null, 'own']);
    expect(pool.near(list)).toEqual([0, 3]);
    expect(list).toEqual(before); // the same endpoints, with their connections
  });

  it('make no difference where all stand in ours, or none', () => {
    const { pool, follow } = setUp();
    pool.stand('a');
    for (const zone of ['a', 'b'])
      expect(pool.near(follow(inventory(at('10.0.0.1:1', zone), at('10.0.0.2:1', zone))))).toBeNull();
  });

  it('are those of the latest snapshot', () => {
    const { pool, follow } = setUp();
    pool.stand('a');
    follow(inventory(at('10.0.0.1:1', 'a'), at('10.0.0.2:1', 'b')));
    const moved = inventory(at('10.0.0.1:1', 'b'), at('10.0.0.2:1', 'a'));
    expect(pool.near(follow(moved))).toEqual([1]);
  });
});

describe('an endpoint that is new', () => {
  const one = at('10.0.0.1:1');
  const two = at('10.0.0.2:1');

  it('gets a tenth of its share where there are others, and all of it after the time that the policy says', () => {
    const { kit, follow } = setUp();
    follow(inventory(one), { 'slow-start': 4000 });
    const [old, young] = follow(inventory(one, two), { 'slow-start': 4000 });
    const shares = (endpoint = young!) => [0, 2000, 4000].map((ms) => endpoint.share(kit.clock.now() + ms));
    expect(shares()).toEqual([0.1, 0.55, 1]);
    expect(young!.youngUntil).toBe(kit.clock.now() + 4000);
    expect(old!.youngUntil).toBe(0); // control: it came when there was nobody else
    expect(shares(old)).toEqual([1, 1, 1]);
  });

  it('has its share at once where all are new, or the policy says so', () => {
    expect(
      setUp()
        .follow(inventory(one, two))
        .map(({ youngUntil }) => youngUntil),
    ).toEqual([0, 0]);
    const { kit, follow } = setUp();
    follow(inventory(one), { 'slow-start': 0 });
    expect(follow(inventory(one, two), { 'slow-start': 0 })[1]!.share(kit.clock.now())).toBe(1);
  });
});

describe('what an endpoint costs', () => {
  const peer = (code: Code, pushbackMs?: number): Status => ({
    code,
    message: '',
    from: 'peer',
    reached: true,
    ...(pushbackMs !== undefined && { pushbackMs }),
  });
  const costAfter = (verdict: 'success' | 'failure' | 'neutral', cause?: Status) => {
    const { kit, follow } = setUp();
    const [endpoint] = follow(inventory(at('10.0.0.1:1')));
    endpoint!.took(10, kit.clock.now(), true);
    kit.pass(1000);
    endpoint!.judge(verdict, endpoint!.epoch, cause);
    return Math.round(endpoint!.costMs(kit.clock.now()));
  };

  it.each([
    ['a lost connection', 'failure', broken('lost', true)],
    ["an app's RESOURCE_EXHAUSTED", 'success', peer(Code.RESOURCE_EXHAUSTED)],
    ["an app's INTERNAL, which no gate counts", 'success', peer(Code.INTERNAL)],
  ] as const)('rises by %s', (_, verdict, cause) => {
    expect(costAfter(verdict, cause)).toBeGreaterThan(100);
  });

  it.each([
    ['an answer', 'success', undefined],
    ["an app's NOT_FOUND", 'success', peer(Code.NOT_FOUND)],
    ['a caller that went away', 'neutral', { ...broken('gone', true), code: Code.CANCELLED }],
  ] as const)('does not rise by %s (control)', (_, verdict, cause) => {
    expect(costAfter(verdict, cause)).toBe(9);
  });

  it('is five seconds while the peer asks to be left alone', () => {
    expect(costAfter('success', peer(Code.RESOURCE_EXHAUSTED, 3000))).toBe(5000);
  });
});

describe('an endpoint whose peer says goodbye while it is in use', () => {
  it('is passed over until its next connection is ready', () => {
    const { kit, links, follow } = setUp();
    const [endpoint] = follow(inventory(at('10.0.0.1:1')));
    void run((each) => endpoint!.send(each), newAttempt(kit.clock, endpoint!));
    links[0]!.ready();
    expect(endpoint!.available).toBe(true);
    links[0]!.goAway();
    expect(links).toHaveLength(2);
    expect(endpoint!.available).toBe(false);
    expect(endpoint!.reachable).toBe(true); // an only endpoint keeps its calls: they wait for the connection
    links[1]!.ready();
    expect(endpoint!.available).toBe(true);
  });

  it('cannot be reached when it takes no further connection', () => {
    const { kit, links, follow } = setUp();
    const [endpoint] = follow(inventory(at('10.0.0.1:1')));
    void run((each) => endpoint!.send(each), newAttempt(kit.clock, endpoint!));
    links[0]!.ready();
    links[0]!.goAway();
    links[1]!.break('refused');
    expect(endpoint!.reachable).toBe(false);
  });
});

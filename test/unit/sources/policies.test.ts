import { describe, expect, it } from 'vitest';
import {
  builtIn,
  methodPolicy,
  type Policies,
  type PolicyLayer,
  policyOf,
  unruled,
} from '../../../sidecar/core/policy.ts';
import { Code } from '../../../sidecar/core/status.ts';
import { policyMerger } from '../../../sidecar/sources/policies.ts';
import { rule, ruled } from '../../support/policies.ts';

const get = '/shop.Inventory/Get';
const of = (policies: Policies, service = 'inventory', method = get) =>
  methodPolicy(policyOf(policies, service), method);

/** From the least to the most, as docs/policies.md has it. */
const places: readonly [layer: PolicyLayer, service: string, method: string][] = (
  ['contract', 'entries', 'file', 'kv'] as const
).flatMap((layer): [PolicyLayer, string, string][] => [
  [layer, '*', ''],
  [layer, '*', '/shop.Inventory/*'],
  [layer, '*', get],
  [layer, 'inventory', ''],
  [layer, 'inventory', '/shop.Inventory/*'],
  [layer, 'inventory', get],
]);

const pairs = places.flatMap((lower, at) =>
  places.slice(at + 1).map((upper) => [lower.join(' '), upper.join(' '), lower, upper] as const),
);

describe('the merge order', () => {
  it.each(pairs)('lets %s yield to %s, whoever speaks first', (_, __, lower, upper) => {
    const low = rule(...lower, { timeout: 1 });
    const high = rule(...upper, { timeout: 2 });
    for (const policies of [ruled(low, high), ruled(high, low)]) {
      expect(of(policies).timeout).toBe(2);
      expect(of(policies).origins['timeout']).toBe(high.origin);
    }
  });

  it.each(places.map((place) => [place.join(' '), place] as const))(
    'lets the built-in yield to %s',
    (_, place) => {
      expect(of(ruled()).timeout).toBeNull();
      expect(of(ruled()).origins).toEqual({});
      expect(of(ruled(rule(...place, { timeout: 7 }))).timeout).toBe(7);
    },
  );

  it('is the same for every value, each by itself and with its own origin', () => {
    const policies = ruled(
      rule('entries', 'inventory', '', { connect: 5000, balance: 'round-robin' }),
      rule('file', '*', '', { flags: { express: 'on', tax: 'v1', 'a.b': 'c' } }),
      rule('file', 'inventory', '', {
        balance: 'two-choices',
        retry: { attempts: 1, codes: [Code.DATA_LOSS, Code.UNAVAILABLE] },
      }),
      rule('kv', 'inventory', '', { flags: { tax: 'v2' }, eject: { failures: 9 } }),
      rule('kv', 'inventory', get, { 'idle-stream': 1000 }),
    );
    expect(of(policies)).toEqual({
      ...builtIn,
      'idle-stream': 1000,
      balance: 'two-choices',
      flags: { express: 'on', tax: 'v2', 'a.b': 'c' },
      retry: { ...builtIn.retry, attempts: 1, codes: [Code.DATA_LOSS, Code.UNAVAILABLE] },
      connect: 5000,
      eject: { ...builtIn.eject, failures: 9 },
      origins: {
        connect: 'entries inventory',
        balance: 'file inventory',
        'flags.express': 'file *',
        'flags.a.b': 'file *',
        'flags.tax': 'kv inventory',
        'retry.attempts': 'file inventory',
        'retry.codes': 'file inventory',
        'eject.failures': 'kv inventory',
        'idle-stream': `kv inventory${get}`,
      },
    });
  });

  it('takes the later one of two that stand in the same place', () => {
    const policies = ruled(
      rule('entries', 'inventory', '', { timeout: 1, balance: 'round-robin' }),
      rule('entries', 'inventory', '', { timeout: 2 }),
    );
    expect(of(policies)).toMatchObject({ timeout: 2, balance: 'round-robin' });
  });
});

describe('who is meant', () => {
  const policies = ruled(
    rule('file', '*', '/grpc.health.v1.Health/Check', { timeout: 10 }),
    rule('file', '*', '', { balance: 'round-robin' }),
    rule('file', 'inventory', '', { timeout: 1000 }),
    rule('file', 'inventory', '/shop.Inventory/*', { timeout: 500 }),
    rule('file', 'inventory', '/shop.Inventory/Watch', { timeout: null }),
  );

  it.each([
    ['inventory', '/shop.Inventory/Watch', null],
    ['inventory', '/shop.Inventory/Get', 500],
    ['inventory', '/shop.InventoryAdmin/Get', 1000],
    // The service of the same layer is more exact than a method of all services.
    ['inventory', '/grpc.health.v1.Health/Check', 1000],
    ['orders', '/grpc.health.v1.Health/Check', 10],
    ['orders', '/shop.Inventory/Get', null],
  ])('of %s %s: %s', (service, method, timeout) => {
    expect(of(policies, service, method)).toMatchObject({ timeout, balance: 'round-robin' });
  });

  it('costs a service that has no policy of a method no look-up for one', () => {
    expect(policyOf(ruled(rule('kv', 'inventory', '', { timeout: 1 })), 'inventory').methods).toBeNull();
  });

  it('is nobody by accident: names of objects are names', () => {
    const odd = ruled(rule('kv', 'constructor', '', { flags: JSON.parse('{"__proto__": "on"}') }));
    expect(Object.entries(of(odd, 'constructor').flags)).toEqual([['__proto__', 'on']]);
    expect(of(odd, 'toString')).toBe(odd.any.all);
  });
});

describe('merged policies', () => {
  it('are what a mesh has in which nobody says anything', () => {
    expect(ruled().any).toEqual(unruled().any);
    expect(ruled().services.size).toBe(0);
  });

  it('cannot be edited', () => {
    const { all, methods } = policyOf(ruled(rule('kv', 'inventory', get, { timeout: 1 })), 'inventory');
    for (const part of [all, all.flags, all.retry, all.origins, methods!.get(get)])
      expect(Object.isFrozen(part)).toBe(true);
    expect(() => (methods as Map<string, unknown>).clear()).toThrow(TypeError);
  });

  it('stay the same object while the same is said', () => {
    const merge = policyMerger(builtIn);
    const first = merge([rule('kv', 'inventory', '', { timeout: 1 })], []);
    expect(merge([rule('kv', 'inventory', '', { timeout: 1 })], [])).toBe(first);
    const faulty = merge([rule('kv', 'inventory', '', { timeout: 1 })], [{ origin: 'kv x', problem: 'no' }]);
    expect(faulty.services).toBe(first.services); // a fault alone changes nothing for calls
    expect(faulty.faults).toEqual([{ origin: 'kv x', problem: 'no' }]);
    expect(merge([rule('kv', 'inventory', '', { timeout: 2 })], [])).not.toBe(first);
  });
});

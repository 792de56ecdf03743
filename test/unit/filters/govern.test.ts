import { describe, expect, it } from 'vitest';
import type { Call } from '../../../sidecar/core/call.ts';
import { type Policy, unruled } from '../../../sidecar/core/policy.ts';
import { govern } from '../../../sidecar/filters/govern.ts';
import { answer, type CallParts, newCall, snapshot } from '../../support/calls.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { stillKit } from '../../support/kit.ts';
import { always, rule, ruled } from '../../support/policies.ts';

const get = '/shop.Inventory/Get';
const said = ruled(
  rule('file', 'inventory', '', { timeout: 1000 }),
  rule('file', 'inventory', get, { timeout: 250 }),
  rule('file', 'orders', '', { balance: 'round-robin' }),
);

for (const policies of [unruled(), said])
  keepsTheFilterContract('govern', {
    make: () => govern(),
    call: ({ clock }) => newCall(clock, { snapshot: snapshot({ policies }) }),
    refused: {},
  });

/** The call below the filter. */
const below = (parts: CallParts, policies = said, filter = govern()): Call => {
  let passed: Call | null = null;
  void filter(newCall(stillKit().clock, { snapshot: snapshot({ policies }), ...parts }), (call) => {
    passed = call;
    return answer();
  });
  return passed!;
};

const policyBelow = (parts: CallParts): Policy => below(parts).policy;

describe('govern', () => {
  it('finds the policy of the method, else that of the service', () => {
    expect(policyBelow({ method: get }).timeout).toBe(250);
    expect(policyBelow({ method: '/shop.Inventory/Put' }).timeout).toBe(1000);
  });

  it.each<[string, CallParts]>([
    ['the authority', { authority: 'orders' }],
    ['another spelling of it', { authority: 'orders.mesh:15001' }],
    ['the port that was dialled', { authority: 'localhost:9191', port: 'orders' }],
    ['a word of the call', { authority: 'inventory', port: 'inventory', words: { service: 'orders' } }],
  ])('knows the service by %s', (_, parts) => {
    expect(policyBelow(parts).balance).toBe('round-robin');
  });

  it.each([{ authority: 'payments' }, { authority: '' }, { authority: '127.0.0.1:15001' }])(
    'leaves a call to a service that nobody speaks of as it is: %j',
    (parts) => {
      const filter = govern();
      const call = newCall(stillKit().clock, { ...parts, snapshot: snapshot({ policies: said }) });
      let passed: Call | null = null;
      void filter(call, (next) => {
        passed = next;
        return answer();
      });
      expect(passed).toBe(call);
    },
  );

  it('follows the snapshot of each call, also for an authority that it has seen', () => {
    const filter = govern();
    const later = ruled(rule('kv', 'inventory', '', { timeout: 5 }));
    expect(below({ method: get }, said, filter).policy.timeout).toBe(250);
    expect(below({ method: get }, later, filter).policy.timeout).toBe(5);
    expect(below({ method: get }, unruled(), filter).policy.timeout).toBeNull();
  });

  it('holds what is said of every service', () => {
    expect(below({ authority: 'payments' }, always({ timeout: 7 })).policy.timeout).toBe(7);
  });

  it('stays with the call: what filters below derive is treated alike', () => {
    const call = below({ method: get });
    expect([call.until(1).policy.timeout, call.carrying('a=b').policy.timeout]).toEqual([250, 250]);
    expect(call.under(snapshot()).policy.timeout).toBe(250);
  });
});

import { describe, expect, it } from 'vitest';
import { plainPolicies } from '../../../sidecar/control/policies.ts';
import { knowing, service, snapshot } from '../../support/calls.ts';
import { rule, ruled } from '../../support/policies.ts';

const builtIn = (value: unknown) => ({ value, origin: 'built-in' });

describe('/snapshot', () => {
  it('shows what holds for each service that is known or spoken of, and who said each value', () => {
    const policies = ruled(
      rule('entries', 'inventory', '', { balance: 'round-robin', connect: 5000 }),
      rule('file', 'inventory', '', { timeout: 1000, flags: { tax: 'v1' } }),
      rule('kv', 'inventory', '/shop.Inventory/Watch', { timeout: null, retry: { attempts: 1 } }),
      rule('kv', 'orders', '', { eject: { failures: 3 } }),
    );
    const { services } = knowing(service('inventory'), service('payments'));
    const shown = plainPolicies(snapshot({ services, policies }));
    const plain = shown['payments'];
    expect(plain).toMatchObject({
      timeout: builtIn(null),
      'idle-stream': builtIn(300_000),
      balance: builtIn('peak-ewma'),
      'retry.attempts': builtIn(3),
      'retry.codes': builtIn(['UNAVAILABLE']),
      connect: builtIn(2000),
      'eject.failures': builtIn(5),
      faults: builtIn([]),
    });
    expect(shown).toEqual({
      '*': plain,
      inventory: {
        ...plain,
        timeout: { value: 1000, origin: 'file inventory' },
        balance: { value: 'round-robin', origin: 'entries inventory' },
        connect: { value: 5000, origin: 'entries inventory' },
        'flags.tax': { value: 'v1', origin: 'file inventory' },
        methods: {
          '/shop.Inventory/Watch': {
            timeout: { value: null, origin: 'kv inventory/shop.Inventory/Watch' },
            'retry.attempts': { value: 1, origin: 'kv inventory/shop.Inventory/Watch' },
          },
        },
      },
      orders: { ...plain, 'eject.failures': { value: 3, origin: 'kv orders' } },
      payments: plain,
    });
    expect(Object.keys(shown)).toEqual(['*', 'inventory', 'orders', 'payments']);
  });
});

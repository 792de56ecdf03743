import { describe, expect, it } from 'vitest';
import type { PolicyWords } from '../../../sidecar/core/policy.ts';
import { unruled } from '../../../sidecar/core/policy.ts';
import { policyConflicts } from '../../../sidecar/core/policy-conflicts.ts';
import { Code } from '../../../sidecar/core/status.ts';
import { always, rule, ruled } from '../../support/policies.ts';

describe('values that fight each other', () => {
  it('are none of those that are built in', () => {
    expect(policyConflicts(unruled())).toEqual([]);
  });

  it.each<[string, PolicyWords, RegExp]>([
    [
      'hedge what is not idempotent',
      { hedge: { after: 50 } },
      /not known to be idempotent.*\(hedge\.after: file \*\)/,
    ],
    [
      'hedge after the end',
      { hedge: { after: 500 }, idempotent: true, timeout: 300, connect: 100 },
      /hedges after 500 ms, but calls end after 300 ms/,
    ],
    [
      'hedge and retry',
      { hedge: { after: 'p95' }, idempotent: true, retry: { attempts: 2 } },
      /hedges and retries: .*\(hedge\.after: file \*; retry\.attempts: file \*\)/,
    ],
    ['retry what is not idempotent', { retry: { codes: [Code.ABORTED] } }, /retries by code, but/],
    [
      'wait longer than the longest',
      { retry: { 'first-wait': 500 } },
      /waits 500 ms before a retry, but 250 ms at most/,
    ],
    [
      'wait longer than the call',
      { timeout: 20, connect: 10 },
      /waits 25 ms before a retry, but calls end after 20 ms: no retry fits/,
    ],
    [
      'connect for longer than the call',
      { timeout: 1000 },
      /connects for 2000 ms, but calls end after 1000 ms/,
    ],
    [
      'connect for longer than a unary call',
      { unary: true, 'unary-timeout': 500 },
      /connects for 2000 ms, but calls end after 500 ms/,
    ],
    ['have no budget', { budget: { percent: 0, floor: 0 } }, /has a budget of nothing/],
    ['eject most', { eject: { most: 80 } }, /may take 80 % of the endpoints out/],
    ['eject nobody', { eject: { most: 0 } }, /no endpoint may be out/],
    [
      'shut the service before an endpoint',
      { breaker: { failures: 2 } },
      /after 2 failures, before an endpoint is out after 5/,
    ],
    ['watch for silence under a deadline', { timeout: 5000, 'idle-stream': 1000 }, /idle-stream never acts/],
  ])('are named: %s', (_, words, message) => {
    expect(policyConflicts(always(words))).toEqual([expect.stringMatching(message)]);
  });

  it.each<[string, PolicyWords]>([
    ['a hedge of what is idempotent', { hedge: { after: 50 }, idempotent: true }],
    ['a short connect under a timeout', { timeout: 1000, connect: 500 }],
    ['no retries and no budget', { budget: { percent: 0, floor: 0 }, retry: { attempts: 1 } }],
    ['a shadow that ejects most', { eject: { mode: 'shadow', most: 100 } }],
  ])('are not %s', (_, words) => {
    expect(policyConflicts(always(words))).toEqual([]);
  });

  it('are told once for a service, and for a method what it alone has', () => {
    const policies = ruled(
      rule('file', 'inventory', '', { eject: { most: 90 } }),
      rule('kv', 'inventory', '/shop.Inventory/Get', { retry: { 'longest-wait': 10 } }),
    );
    expect(policyConflicts(policies)).toEqual([
      expect.stringMatching(/^the policy of 'inventory' may take 90 %.*\(eject\.most: file inventory\)$/),
      expect.stringMatching(
        /^the policy of 'inventory' for \/shop\.Inventory\/Get waits 25 ms.*\(retry\.longest-wait: kv inventory\/shop\.Inventory\/Get\)$/,
      ),
    ]);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pushbackIn } from '../../../sidecar/core/retry-pushback.ts';
import { RetryBudget } from '../../../sidecar/policies/retry-budget.ts';
import { RetryTokens } from '../../../sidecar/policies/retry-tokens.ts';

/** Repetitions that a budget lets pass at `now`. */
const drain = (budget: RetryBudget, now: number, percent: number, floor: number): number => {
  let made = 0;
  while (budget.allows(now, percent, floor)) {
    budget.spend(now);
    made++;
  }
  return made;
};

describe('the budget', () => {
  it('is a share of the calls of the last ten seconds, and a number a second beside it', () => {
    const budget = new RetryBudget();
    for (let ms = 0; ms < 10_000; ms += 5) budget.call(ms);
    expect(drain(budget, 9999, 10, 2)).toBe(220);
    expect(drain(budget, 9999, 10, 2)).toBe(0);
  });

  it('comes back as seconds pass: both what was spent and what was called fall out', () => {
    const budget = new RetryBudget();
    for (let i = 0; i < 100; i++) budget.call(500);
    expect(drain(budget, 500, 10, 0)).toBe(10);
    expect(drain(budget, 9999, 10, 0)).toBe(0);
    expect(drain(budget, 10_000, 10, 0)).toBe(0); // nothing was called since
    expect(drain(budget, 10_000, 10, 1)).toBe(10);
    expect(drain(budget, 60_000, 10, 1)).toBe(10);
  });

  it('is not confused by a call that came a little earlier than it was counted', () => {
    const budget = new RetryBudget();
    budget.spend(5000);
    budget.call(4990);
    expect(drain(budget, 5000, 100, 0)).toBe(0);
    budget.call(14_000);
    expect(drain(budget, 14_999, 100, 0)).toBe(1);
  });

  it('says what a list of all that has happened says, whatever comes when', () => {
    const step = fc.record({ waitMs: fc.nat(3000), calls: fc.nat(20), asks: fc.nat(20) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const budget = new RetryBudget();
        const seconds: { second: number; calls: number; made: number }[] = [];
        let now = 0;
        for (const { waitMs, calls, asks } of steps) {
          now += waitMs;
          const second = Math.floor(now / 1000);
          const noted = { second, calls, made: 0 };
          seconds.push(noted);
          for (let i = 0; i < calls; i++) budget.call(now);
          const lately = seconds.filter((each) => each.second > second - 10);
          const sum = (of: 'calls' | 'made'): number => lately.reduce((total, each) => total + each[of], 0);
          for (let i = 0; i < asks; i++) {
            const fits = sum('made') + 1 <= sum('calls') * 0.2 + 10;
            expect(budget.allows(now, 20, 1)).toBe(fits);
            if (!fits) continue;
            budget.spend(now);
            noted.made++;
          }
        }
      }),
    );
  });
});

describe('tokens', () => {
  it('let nothing pass at half of them and below', () => {
    const tokens = new RetryTokens();
    for (let i = 0; i < 4; i++) tokens.failed(10);
    expect(tokens.allows(10)).toBe(true);
    tokens.failed(10);
    expect(tokens.allows(10)).toBe(false);
    tokens.wentWell(0.1);
    expect(tokens.allows(10)).toBe(true);
  });

  it('are never fewer than none, never more than all', () => {
    const tokens = new RetryTokens();
    for (let i = 0; i < 100; i++) tokens.failed(10);
    for (let i = 0; i < 6; i++) tokens.wentWell(1);
    expect(tokens.allows(10)).toBe(true);
    for (let i = 0; i < 100; i++) tokens.wentWell(1);
    for (let i = 0; i < 5; i++) tokens.failed(10);
    expect(tokens.allows(10)).toBe(false);
  });
});

describe('pushback', () => {
  it.each([
    [[], null],
    [['grpc-status', '14'], null],
    [['grpc-status', '14', 'grpc-retry-pushback-ms', '250'], 250],
    [['grpc-retry-pushback-ms', '0'], 0],
    [['grpc-retry-pushback-ms', '-1'], -1],
    [['grpc-retry-pushback-ms', '1e3'], -1],
  ])('in %j is %j', (trailers, pushback) => {
    expect(pushbackIn(trailers)).toBe(pushback);
  });
});

import { describe, expect, it } from 'vitest';
import { begunIn, constant, lognormal, type Run, simulate, success, tookMs } from './index.ts';

const frozen = { fromMs: 5000, toMs: 10_000 };
const deadlineMs = 1000;

/** Three apps at 80 % of what they can do, all of which stand still for five seconds. */
const freeze = (timeoutMs: number | null, seed = 1): Promise<Run> => {
  const able = { instances: 3, latency: constant(20), capacity: 4 }; // 600 calls a second
  const lab = simulate({ seed, callers: 2, services: { inventory: able } });
  for (let at = 0; at < 3; at++) lab.faulty('inventory', at, 'frozen', frozen);
  lab.load({ perSecond: 240, forMs: 30_000, idempotent: true, timeoutMs });
  return lab.run();
};

describe('after a freeze of 5 s at 80 % load', () => {
  it('calls go well again within 10 s, unaided', async () => {
    for (const seed of [1, 2, 3]) {
      const { calls, sum } = await freeze(deadlineMs, seed);
      expect(success(begunIn(calls, 0, frozen.fromMs - deadlineMs))).toBe(1);
      expect(success(begunIn(calls, frozen.fromMs + 200, frozen.toMs - deadlineMs))).toBeLessThan(0.05);
      expect(success(begunIn(calls, frozen.toMs + 10_000))).toBeGreaterThanOrEqual(0.999);
      expect(sum.finished + sum.cancelled).toBe(sum.started);
    }
  });

  it('they do not where nobody gives up: the apps work on what came during the freeze (control)', async () => {
    const { calls } = await freeze(null);
    expect(tookMs(begunIn(calls, frozen.toMs + 10_000, frozen.toMs + 11_000), 0.5)).toBeGreaterThan(
      deadlineMs,
    );
  });
});

describe('one of five that takes half a second more', () => {
  const grey = async (isSlow: boolean): Promise<Run> => {
    const services = { inventory: { instances: 5, latency: lognormal(5, 20) } };
    const lab = simulate({ seed: 1, callers: 2, services });
    if (isSlow) lab.faulty('inventory', 0, 'slow', { fromMs: 5000 });
    lab.load({ perSecond: 200, forMs: 20_000, idempotent: true });
    return lab.run();
  };

  it('does not show in the p99 after 5 s', async () => {
    const usual = tookMs(begunIn((await grey(false)).calls, 10_000), 0.99);
    const slow = tookMs(begunIn((await grey(true)).calls, 10_000), 0.99);
    expect(slow).toBeLessThanOrEqual(2 * usual);
  });
});

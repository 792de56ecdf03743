import { describe, expect, it } from 'vitest';
import { begunIn, type CallRecord, lognormal, type Run, simulate, success } from './index.ts';
import type { LabOptions } from './lab.ts';

const instances = 2;
const latency = lognormal(2, 8);
const chain = {
  one: { instances, latency, calls: 'two' },
  two: { instances, latency, calls: 'three' },
  three: { instances, latency, calls: 'four' },
  four: { instances, latency },
};
const downMs = { fromMs: 5000, toMs: 35_000 };

/** A chain of four, whose bottom fails for half a minute. */
const bottomDown = (policy: LabOptions['policy'] = {}, seed = 1): Promise<Run> => {
  const lab = simulate({ seed, callers: 2, services: chain, policy });
  for (let at = 0; at < instances; at++) lab.faulty('four', at, 'unavailable', downMs);
  for (const service of Object.keys(chain))
    lab.load({
      service,
      method: '/lab.Chain/Get',
      idempotent: true,
      perSecond: service === 'one' ? 50 : 0.0001,
      forMs: 45_000,
    });
  return lab.run();
};

/** Attempts at the bottom for each call that was made at the top, while the bottom was down. */
const amplification = ({ calls }: Run): number => {
  const meanwhile = begunIn(calls, downMs.fromMs, downMs.toMs);
  const atBottom = meanwhile.filter(({ service }) => service === 'four');
  const offered = meanwhile.filter(({ service }) => service === 'one').length;
  return atBottom.reduce((sum, { attempts }) => sum + attempts.length, 0) / offered;
};

const atTop = (calls: readonly CallRecord[]): readonly CallRecord[] =>
  calls.filter(({ service }) => service === 'one');

describe('a chain of four whose bottom is down for 30 s', () => {
  it('sends the bottom at most 1.2 attempts for each call', async () => {
    for (const seed of [1, 2, 3]) expect(amplification(await bottomDown({}, seed))).toBeLessThanOrEqual(1.2);
  });

  it('is well before, fails meanwhile, and is well within 2 s after', async () => {
    const { calls } = await bottomDown();
    const top = atTop(calls);
    expect(success(begunIn(top, 0, downMs.fromMs - 100))).toBe(1);
    expect(success(begunIn(top, downMs.fromMs + 100, downMs.toMs - 100))).toBeLessThan(0.05);
    expect(success(begunIn(top, downMs.toMs + 2000))).toBe(1);
  });

  it('ends every call at every depth', async () => {
    const { sum, calls } = await bottomDown();
    expect(sum.finished + sum.cancelled).toBe(sum.started);
    expect(sum.timers).toBe(0);
    expect(new Set(calls.map(({ service }) => service)).size).toBe(4);
  });

  it('would be sent more without a budget for retries (control)', async () => {
    const free = { budget: { mode: 'off' }, breaker: { mode: 'off' }, throttle: { mode: 'off' } } as const;
    expect(amplification(await bottomDown(free))).toBeGreaterThan(1.2);
  });
});

import { describe, expect, it } from 'vitest';
import { PeakLatency } from '../../../sidecar/policies/peak-latency.ts';

/** What an endpoint costs that `calls` are at. */
const cost = (latency: PeakLatency, now: number, isIdle = false): number =>
  Math.round(latency.costMs(now, isIdle));

describe('peak latency', () => {
  it('costs 30 ms while nobody knows it, and nothing while it is idle too, so that it is asked', () => {
    const latency = new PeakLatency();
    expect(cost(latency, 1000)).toBe(30);
    expect(cost(latency, 1000, true)).toBe(0);
  });

  it('jumps up at once, and comes down to a third in ten seconds', () => {
    const latency = new PeakLatency();
    latency.heard(10, 1000, true);
    latency.heard(500, 1010, true);
    expect(cost(latency, 1010)).toBe(500);
    expect(cost(latency, 11_010)).toBe(184);
    latency.heard(10, 11_010, true);
    expect(cost(latency, 11_010)).toBe(190); // of 500 ms a third, of 10 ms two thirds
  });

  it('knows nothing any more after half a minute', () => {
    const latency = new PeakLatency();
    latency.heard(500, 1000, true);
    expect(cost(latency, 30_999)).toBe(25);
    expect(cost(latency, 31_000)).toBe(30);
    expect(cost(latency, 31_000, true)).toBe(0);
  });

  it('is asked by one call when it has come back, whose answer stands for all that was known', () => {
    const latency = new PeakLatency();
    latency.heard(1000, 1000, false);
    latency.ended(1000, true);
    expect(cost(latency, 2000, true)).toBeGreaterThan(900); // control
    latency.doubt();
    expect(cost(latency, 2000, true)).toBe(0);
    expect(cost(latency, 2000)).toBeGreaterThan(900); // while that call is there
    latency.heard(4, 2010, true);
    expect(cost(latency, 2010)).toBe(4);
  });

  it('is as dear as before when that call finds out nothing better', () => {
    for (const what of ['a peak', 'a failure'] as const) {
      const latency = new PeakLatency();
      latency.heard(500, 1000, true);
      latency.doubt();
      if (what === 'a peak') latency.heard(900, 1100, false);
      else latency.ended(1100, true);
      expect(cost(latency, 1100, true)).toBeGreaterThan(490);
    }
  });

  it('takes a call that nobody answered for a peak or for nothing', () => {
    const latency = new PeakLatency();
    latency.heard(100, 1000, true);
    latency.heard(1, 1010, false);
    expect(cost(latency, 1010)).toBe(100);
    latency.heard(400, 1020, false);
    expect(cost(latency, 1020)).toBe(400);
  });

  it('counts no wait for more than five seconds', () => {
    const latency = new PeakLatency();
    latency.heard(600_000, 1000, true);
    expect(cost(latency, 1000)).toBe(5000);
  });

  it('is dearer after one failure, for some eight seconds', () => {
    const latency = new PeakLatency();
    latency.heard(10, 1000, true);
    latency.ended(2000, true);
    expect(cost(latency, 2000)).toBeGreaterThan(100);
    expect(cost(latency, 10_500)).toBeLessThan(40); // alike with one that costs 5 ms
  });

  it('is as dear by a share of failures, whatever the rate', () => {
    for (const gapMs of [1, 10, 100]) {
      const latency = new PeakLatency();
      let now = 1000;
      for (let at = 0; now < 31_000; at++, now += gapMs) {
        const fails = at % 10 === 0;
        if (!fails) latency.heard(10, now, true);
        if (fails || latency.fails) latency.ended(now, fails);
      }
      expect(cost(latency, now)).toBeGreaterThan(160);
      expect(cost(latency, now)).toBeLessThan(240); // 10 ms, and 50 times 40 ms of which a tenth
    }
  });

  it('forgets failures when calls go well', () => {
    const latency = new PeakLatency();
    latency.ended(1000, true);
    expect(latency.fails).toBe(true);
    for (let now = 1100; now < 31_000; now += 100) latency.ended(now, false);
    expect(latency.fails).toBe(false);
  });

  it('stays away for as long as the peer asks, a minute at most', () => {
    const latency = new PeakLatency();
    latency.heard(10, 1000, true);
    latency.pushedBack(1000, 2000);
    expect(cost(latency, 2999)).toBe(5000);
    expect(cost(latency, 3000)).toBe(8);
    latency.pushedBack(3000, 3_600_000);
    expect(cost(latency, 62_999)).toBe(5000);
    expect(cost(latency, 63_000)).toBe(30);
  });
});

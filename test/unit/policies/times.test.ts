import { describe, expect, it } from 'vitest';
import { parseGrpcTimeout } from '../../../sidecar/core/grpc-timeout.ts';
import { backoffMs, jittered } from '../../../sidecar/policies/backoff.ts';
import { ConsecutiveFailures } from '../../../sidecar/policies/consecutive-failures.ts';
import { probeIntervalMs } from '../../../sidecar/policies/probe-interval.ts';

describe('back-off', () => {
  const backoff = { firstMs: 100, longestMs: 5000, jitter: 0.2 };

  it('doubles up to its limit', () => {
    expect([0, 1, 2, 3, 4, 5, 6, 1000].map((each) => backoffMs(backoff, each, 0.5))).toEqual([
      100, 200, 400, 800, 1600, 3200, 5000, 5000,
    ]);
  });

  it('is moved by chance to either side', () => {
    expect(backoffMs(backoff, 0, 0)).toBe(80);
    expect(backoffMs(backoff, 0, 1)).toBeCloseTo(120, 9);
    expect(jittered(1000, 0, 0.9)).toBe(1000);
  });
});

describe('the probe interval', () => {
  const times = { firstMs: 1000, quickMs: 30_000, longestMs: 60_000 };

  it('is a second for half a minute, then doubled each time, up to a minute', () => {
    let shutMs = 0;
    const waits: number[] = [];
    while (waits.length < 37) {
      const waitMs = probeIntervalMs(times, shutMs, 0);
      waits.push(waitMs);
      shutMs += waitMs;
    }
    expect(waits.slice(0, 30)).toEqual(Array(30).fill(1000));
    expect(waits.slice(30)).toEqual([2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  });

  it('doubles with each relapse', () => {
    expect([0, 1, 2, 6, 1000].map((relapses) => probeIntervalMs(times, 0, relapses))).toEqual([
      1000, 2000, 4000, 60_000, 60_000,
    ]);
  });
});

describe('consecutive failures', () => {
  it('are enough at the limit, and only without a success between', () => {
    const failures = new ConsecutiveFailures(3);
    expect([failures.fail(), failures.fail()]).toEqual([false, false]);
    failures.succeed();
    expect([failures.fail(), failures.fail(), failures.fail(), failures.fail()]).toEqual([
      false,
      false,
      true,
      true,
    ]);
    expect(failures.count).toBe(4);
  });
});

describe('grpc-timeout', () => {
  it.each([
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['3S', 3000],
    ['250m', 250],
    ['1500u', 1.5],
    ['99999999n', 99.999999],
    ['00000001S', 1000],
    ['0m', 0],
  ])('%s is %d ms', (text, ms) => {
    expect(parseGrpcTimeout(text)).toBeCloseTo(ms, 9);
  });

  it.each(['', 'm', '1', '1x', '123456789m', '1 m', '-1m', '1.5S', '1e3m', '1m ', '٣m'])(
    '%j is malformed',
    (text) => {
      expect(parseGrpcTimeout(text)).toBe(-1);
    },
  );
});

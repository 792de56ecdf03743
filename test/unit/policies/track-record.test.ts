import { describe, expect, it } from 'vitest';
import { SuccessRate } from '../../../sidecar/policies/success-rate.ts';
import { shareToRefuse } from '../../../sidecar/policies/throttle.ts';
import { TrackRecord } from '../../../sidecar/policies/track-record.ts';

const limits = { failures: 5, success: 80, calls: 5 };

describe('the success rate', () => {
  it('counts each call once, for ten seconds', () => {
    const rate = new SuccessRate();
    rate.succeed(500_000);
    rate.succeed(500_999);
    rate.fail(503_000);
    rate.turn(509_999);
    expect([rate.well, rate.ill]).toEqual([2, 1]);
    rate.turn(510_000);
    expect([rate.well, rate.ill]).toEqual([0, 1]);
    rate.turn(513_000);
    expect([rate.well, rate.ill]).toEqual([0, 0]);
  });

  it('is exact when many come in one second, and after a long silence', () => {
    const rate = new SuccessRate();
    for (let call = 0; call < 100_000; call++) rate.succeed(1000);
    for (let call = 0; call < 7; call++) rate.fail(1001);
    expect([rate.well, rate.ill]).toEqual([100_000, 7]);
    rate.fail(3_600_000);
    expect([rate.well, rate.ill]).toEqual([0, 1]);
  });

  it('takes a time before the latest as the latest', () => {
    const rate = new SuccessRate();
    rate.fail(20_000);
    rate.succeed(1000); // of a stream that began long ago
    rate.turn(29_999);
    expect([rate.well, rate.ill]).toEqual([1, 1]);
    rate.turn(30_000);
    expect([rate.well, rate.ill]).toEqual([0, 0]);
  });
});

describe('a track record', () => {
  it('is bad after five failures in a row, however few the calls before', () => {
    const record = new TrackRecord(limits);
    for (let call = 0; call < 1000; call++) record.succeed(1000);
    expect([1, 2, 3, 4, 5].map(() => record.fail(1000))).toEqual([false, false, false, false, true]);
    expect(record.why()).toBe('5 failures in a row');
  });

  it('is bad when less than four in five went well, with five calls at least', () => {
    const record = new TrackRecord(limits);
    record.succeed(1000);
    expect(record.fail(1000)).toBe(false); // half of two calls
    for (let call = 0; call < 7; call++) record.succeed(1000);
    expect(record.fail(1000)).toBe(false); // 8 of 10
    for (let call = 0; call < 2; call++) record.succeed(1000);
    expect(record.fail(1000)).toBe(true); // 10 of 13
    expect(record.why()).toBe('10 of 13 calls went well within ten seconds, less than 80 %');
  });

  it('is good enough at the limit itself', () => {
    const record = new TrackRecord({ ...limits, calls: 10 });
    for (let call = 0; call < 8; call++) record.succeed(1000);
    expect([record.fail(1000), record.fail(1000)]).toEqual([false, false]); // 8 of 10
    expect(record.fail(1000)).toBe(true); // control: 8 of 11
  });

  it('forgets what is older than ten seconds', () => {
    for (const [laterMs, bad] of [
      [9000, true],
      [10_000, false],
    ] as const) {
      const record = new TrackRecord(limits);
      for (let call = 0; call < 3; call++) {
        record.fail(1000);
        record.succeed(1000);
      }
      for (let call = 0; call < 5; call++) record.succeed(1000 + laterMs);
      expect(record.fail(1000 + laterMs)).toBe(bad); // 8 of 12, or 5 of 6
    }
  });

  it('holds being busy against the share alone', () => {
    const record = new TrackRecord({ ...limits, calls: 20 });
    for (let call = 0; call < 19; call++) expect(record.busy(1000)).toBe(false); // as often in a row as it may
    expect(record.failsLately(1000)).toBe(false);
    expect(record.busy(1000)).toBe(true);
    const failing = new TrackRecord({ ...limits, calls: 20 });
    for (let call = 0; call < 4; call++) failing.fail(1000);
    expect(failing.busy(1000)).toBe(false);
    expect(failing.fail(1000)).toBe(true); // nor does it end a row of failures
  });

  it('remembers for ten seconds that the latest was a failure', () => {
    const record = new TrackRecord(limits);
    record.fail(1000);
    expect([record.failsLately(10_999), record.failsLately(11_000)]).toEqual([true, false]);
    record.succeed(1500);
    expect(record.failsLately(1500)).toBe(false);
  });
});

describe('the share of calls to refuse', () => {
  it('is nothing while half of the calls are accepted', () => {
    expect(shareToRefuse(1000, 1000, 2)).toBe(0);
    expect(shareToRefuse(1000, 500, 2)).toBe(0);
    expect(shareToRefuse(999, 400, 2)).toBeCloseTo(0.199, 3);
  });

  it('leaves a quarter of the calls, so that somebody learns that there is room again', () => {
    expect(shareToRefuse(1_000_000, 0, 2)).toBe(0.75);
  });

  it('is nothing below five calls a second', () => {
    expect([shareToRefuse(49, 0, 2), shareToRefuse(50, 0, 2)]).toEqual([0, 0.75]);
  });
});

import { describe, expect, it } from 'vitest';
import { durationOf, formatDuration, parseDuration } from '../../../sidecar/consul-dev/duration.ts';

describe('durations in Go’s writing', () => {
  it.each([
    ['5s', 5000],
    ['1m30s', 90_000],
    ['1h0m0s', 3_600_000],
    ['250ms', 250],
    ['1.5h', 5_400_000],
    ['0', 0],
    ['-1s', -1000],
  ])('reads %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', '5', 's', '5 s', '5d', '-', '1m-3s'])('does not read %j', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  it.each([
    [0, '0s'],
    [250, '250ms'],
    [5000, '5s'],
    [90_000, '1m30s'],
    [3_600_000, '1h0m0s'],
    [259_200_000, '72h0m0s'],
  ])('writes %d ms as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it('takes numbers as nanoseconds and refuses the rest by name', () => {
    expect(durationOf(2_000_000)).toBe(2);
    expect(() => durationOf('soon')).toThrow('Request decode failed: time: invalid duration "soon"');
  });
});

import { describe, expect, it } from 'vitest';
import { Floods } from '../../../wire/floods.ts';
import { defaultLimits } from '../../../wire/limits.ts';

const times = (count: number, act: () => boolean): boolean[] => Array.from({ length: count }, act);

describe('pings in one second', () => {
  it('one for each DATA frame that we sent is honest: grpc-go measures bandwidth so', () => {
    const floods = new Floods({ ...defaultLimits, pings: 2 }, () => 0);
    floods.dataSent = 5;
    expect(times(8, () => floods.ping())).toEqual([true, true, true, true, true, true, true, false]);
  });

  it('without DATA from us the limit alone holds', () => {
    const floods = new Floods({ ...defaultLimits, pings: 2 }, () => 0);
    expect(times(3, () => floods.ping())).toEqual([true, true, false]);
  });

  it('a new second forgives', () => {
    let now = 0;
    const floods = new Floods({ ...defaultLimits, pings: 2 }, () => now);
    expect(times(3, () => floods.ping())).toEqual([true, true, false]);
    now = 1000;
    expect(times(2, () => floods.ping())).toEqual([true, true]);
  });
});

describe('window updates in one second', () => {
  const floods = () => new Floods({ ...defaultLimits, windowUpdates: 2 }, () => 0);

  it('one for each 256 octets that we sent is honest: some peers return credit for every buffer they read', () => {
    const watch = floods();
    watch.dataSent = 1;
    watch.octetsSent = 262_144;
    expect(times(2 + 10 + 1024, () => watch.windowUpdate()).every(Boolean)).toBe(true);
    expect(watch.windowUpdate()).toBe(false);
  });

  it('without DATA from us the limit alone holds', () => {
    const watch = floods();
    expect(times(3, () => watch.windowUpdate())).toEqual([true, true, false]);
  });
});

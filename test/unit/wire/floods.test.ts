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

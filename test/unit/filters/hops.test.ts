import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hops } from '../../../sidecar/filters/hops.ts';
import { hopsIn, withHops } from '../../../sidecar/policies/hops.ts';
import { answer, newCall, run } from '../../support/calls.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { stillKit } from '../../support/kit.ts';

const carrying = (baggage: string) => (kit: ReturnType<typeof stillKit>) =>
  newCall(kit.clock, { words: { baggage } });

keepsTheFilterContract('hops', {
  make: (kit) => hops(kit),
  call: carrying('outrigger.hops=15,user=7'),
  refused: { 'a call of 16 hops': carrying('user=7,outrigger.hops=16') },
});

describe('hops', () => {
  it('says how many there were, how many there may be, and counts', async () => {
    const kit = stillKit();
    const status = await run(
      (call) => hops(kit, { most: 2 })(call, () => answer()),
      carrying('outrigger.hops=2')(kit),
    );
    expect(status).toMatchObject({ code: 8, message: expect.stringContaining('through 2 services') });
    expect(kit.meter.count('outrigger_hops_exceeded_total').value).toBe(1);
  });
});

describe('the count in baggage', () => {
  it.each([
    ['', 0],
    ['user=7', 0],
    ['outrigger.hops=3', 3],
    ['user=7, outrigger.hops = 3 ;since=1,x=1', 3],
    ['outrigger.hops=3,outrigger.hops=9,outrigger.hops=1', 9],
    ['my-outrigger.hops=3', 0],
    ['outrigger.hops.mine=3', 0],
    ['outrigger.hops=', 0],
    ['outrigger.hops=-3', 0],
    ['outrigger.hops=1e9', 0],
    ['outrigger.hops=99999', 0],
  ])('of %j is %i', (baggage, count) => expect(hopsIn(baggage)).toBe(count));

  it.each([
    ['', 'outrigger.hops=1'],
    ['user=7', 'outrigger.hops=1,user=7'],
    ['outrigger.hops=3', 'outrigger.hops=4'],
    ['user=7,outrigger.hops=3,x=1', 'outrigger.hops=4,user=7,x=1'],
    ['outrigger.hops=3,outrigger.hops=9', 'outrigger.hops=10'],
    ['outrigger.hops=no,user=7', 'outrigger.hops=1,user=7'],
  ])('of %j is one more in %j', (baggage, more) => expect(withHops(baggage, 1)).toBe(more));

  it('grows by one whatever stands beside it, and what stands beside it stays', () => {
    const member = fc.stringMatching(/^[a-z.]{1,20}=[a-z0-9; ]{0,20}$/);
    fc.assert(
      fc.property(fc.array(member, { maxLength: 8 }), fc.nat({ max: 9998 }), (others, count) => {
        const plain = others.filter((each) => !each.startsWith('outrigger.hops='));
        const counted = withHops([...plain, `outrigger.hops=${count}`].join(','), 1);
        expect(hopsIn(counted)).toBe(count + 1);
        expect(counted).toBe([`outrigger.hops=${count + 1}`, ...plain].join(','));
        expect(withHops(counted, 0)).toBe(counted);
      }),
    );
  });
});

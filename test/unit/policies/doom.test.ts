import { describe, expect, it } from 'vitest';
import { Doom } from '../../../sidecar/policies/doom.ts';
import { Latencies } from '../../../sidecar/policies/latencies.ts';
import { RecentShare } from '../../../sidecar/policies/recent-share.ts';
import { stillKit } from '../../support/kit.ts';

describe('a share of the calls of ten seconds', () => {
  it('is not exceeded by any refusal, though the load falls', () => {
    const recent = new RecentShare();
    const calls: { at: number; refused: boolean }[] = [];
    for (let at = 0; at < 60_000; at += 37) {
      // Quiet at first, then all want to be refused, and the load falls to a third.
      if (at > 35_000 && at % 3 > 0) continue;
      recent.call(at);
      calls.push({ at, refused: at > 15_000 && recent.refuse(at, 0.2) });
    }
    const refusals = calls.filter(({ refused }) => refused);
    for (const { at: end } of refusals) {
      const begin = Math.floor(end / 1000) * 1000 - 9000;
      const window = calls.filter(({ at }) => at >= begin && at <= end);
      expect(window.filter(({ refused }) => refused).length / window.length).toBeLessThanOrEqual(0.2);
    }
    expect(refusals.length).toBeGreaterThan(100);
  });

  it('begins anew after a silence', () => {
    const recent = new RecentShare();
    for (let call = 0; call < 100; call++) recent.call(0);
    expect(recent.refuse(0, 0.2)).toBe(true);
    recent.call(60_000);
    expect(recent.refuse(60_000, 0.2)).toBe(false);
  });
});

describe('a doomed call', () => {
  const setUp = () => {
    const kit = stillKit();
    const latencies = new Latencies(kit.clock);
    for (let call = 0; call < 100; call++) latencies.record('/shop.Inventory/Get', 200);
    return { kit, doom: new Doom(latencies) };
  };

  it('has less time left than half of the calls took', () => {
    const { kit, doom } = setUp();
    const now = kit.clock.now();
    for (let call = 0; call < 50; call++) expect(doom.of('/shop.Inventory/Get', 300, now)).toBe(0);
    expect(doom.of('/shop.Inventory/Get', 150, now)).toBeGreaterThanOrEqual(200);
    expect(doom.of('/shop.Inventory/Put', 1, now)).toBe(0); // nothing is known of it
  });

  it('is one in five at most, of each method by itself', () => {
    const { kit, doom } = setUp();
    const refused = (): number => {
      let count = 0;
      for (let call = 0; call < 1000; call++)
        if (doom.of('/shop.Inventory/Get', 1, kit.clock.now()) > 0) count++;
      return count;
    };
    for (let call = 0; call < 9000; call++) doom.of('/shop.Inventory/Put', 1, kit.clock.now());
    expect(refused()).toBe(200);
  });

  it('is none any more when the times are forgotten', () => {
    const { kit, doom } = setUp();
    kit.pass(61_000);
    for (let call = 0; call < 20; call++) expect(doom.of('/shop.Inventory/Get', 1, kit.clock.now())).toBe(0);
  });
});

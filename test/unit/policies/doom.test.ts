import { describe, expect, it } from 'vitest';
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
    for (let call = 0; call < 100; call++) latencies.of('/shop.Inventory/Get')!.record(200, kit.clock.now());
    const of = (method: string, leftMs: number): number =>
      latencies.of(method)!.doom.of(leftMs, kit.clock.now());
    return { kit, of };
  };

  it('has less time left than half of the calls took', () => {
    const { of } = setUp();
    for (let call = 0; call < 50; call++) expect(of('/shop.Inventory/Get', 300)).toBe(0);
    expect(of('/shop.Inventory/Get', 150)).toBeGreaterThanOrEqual(200);
    expect(of('/shop.Inventory/Put', 1)).toBe(0); // nothing is known of it
  });

  it('is one in five at most, of each method by itself', () => {
    const { of } = setUp();
    const refused = (): number => {
      let count = 0;
      for (let call = 0; call < 1000; call++) if (of('/shop.Inventory/Get', 1) > 0) count++;
      return count;
    };
    for (let call = 0; call < 9000; call++) of('/shop.Inventory/Put', 1);
    expect(refused()).toBe(200);
  });

  it('is none any more when the times are forgotten', () => {
    const { kit, of } = setUp();
    kit.pass(61_000);
    for (let call = 0; call < 20; call++) expect(of('/shop.Inventory/Get', 1)).toBe(0);
  });
});

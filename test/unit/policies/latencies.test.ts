import { describe, expect, it } from 'vitest';
import { Latencies } from '../../../sidecar/policies/latencies.ts';
import { stillKit } from '../../support/kit.ts';

const get = '/shop.Inventory/Get';

describe('what is known of how long calls take', () => {
  it('is a quantile of each method, at most an eighth too long', () => {
    const latencies = new Latencies(stillKit().clock);
    for (let ms = 1; ms <= 100; ms++) latencies.of(get)!.record(ms, 1000);
    for (const [share, ms] of [
      [0.5, 50],
      [0.95, 95],
      [1, 100],
    ] as const) {
      expect(latencies.quantile(get, share)).toBeGreaterThanOrEqual(ms);
      expect(latencies.quantile(get, share)).toBeLessThan(ms * 1.125);
    }
    expect(latencies.quantile('/shop.Inventory/Watch', 0.5)).toBeNull();
  });

  it('is nothing before twenty calls', () => {
    const kit = stillKit();
    const latencies = new Latencies(kit.clock);
    for (let call = 0; call < 19; call++) latencies.of(get)!.record(5, kit.clock.now());
    expect(latencies.quantile(get, 0.5)).toBeNull();
    latencies.of(get)!.record(5, kit.clock.now());
    kit.pass(1000);
    expect(latencies.quantile(get, 0.5)).toBeCloseTo(5, 0);
  });

  it('is forgotten after half a minute to a minute', () => {
    const kit = stillKit();
    const latencies = new Latencies(kit.clock);
    for (let call = 0; call < 100; call++) latencies.of(get)!.record(5, kit.clock.now());
    kit.pass(31_000);
    for (let call = 0; call < 100; call++) latencies.of(get)!.record(500, kit.clock.now());
    expect(latencies.quantile(get, 0.25)).toBeLessThan(6);
    kit.pass(31_000);
    expect(latencies.quantile(get, 0.25)).toBeGreaterThan(400);
    kit.pass(90_000);
    expect(latencies.quantile(get, 0.25)).toBeNull();
  });

  it('holds for times below and above all buckets, and for two thousand methods', () => {
    const latencies = new Latencies(stillKit().clock);
    for (let call = 0; call < 40; call++) latencies.of(get)!.record(call % 2 === 0 ? 0 : 1e9, 1000);
    expect(latencies.quantile(get, 0.5)).toBe(0.25);
    expect(latencies.quantile(get, 1)).toBeGreaterThan(3_600_000);
    for (let method = 0; method < 2500; method++)
      for (let call = 0; call < 20; call++) latencies.of(`/m/${method}`)?.record(1, 1000);
    expect(latencies.quantile('/m/1000', 0.5)).toBeCloseTo(1, 0);
    expect(latencies.quantile('/m/2400', 0.5)).toBeNull();
  });
});

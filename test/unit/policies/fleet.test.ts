import { describe, expect, it } from 'vitest';
import type { Choose } from '../../../sidecar/policies/choose.ts';
import { peakEwma } from '../../../sidecar/policies/peak-ewma.ts';
import { roundRobin } from '../../../sidecar/policies/round-robin.ts';
import { twoChoices } from '../../../sidecar/policies/two-choices.ts';
import { Fleet, type FleetCall, type FleetEndpoint, quantile } from '../../support/fleet.ts';

const byLoad = (random: () => number): Choose => twoChoices(random);
const seeds = [1, 2, 3, 4, 5];

/** The share of the calls that one endpoint got. */
const shareOf = (endpoint: FleetEndpoint, calls: readonly FleetCall[]): number =>
  calls.filter((call) => call.endpoint === endpoint).length / calls.length;

/** What each seed comes to. */
const each = <T>(measure: (seed: number) => T): T[] => seeds.map(measure);

describe('a fleet of equal endpoints', () => {
  /** The most calls of one endpoint against the fewest of another, after 10,000. */
  const unevenness = (make: (random: () => number) => Choose, perSecond: number, meanMs: number) =>
    each((seed) => {
      const fleet = new Fleet(5, make, seed);
      for (const endpoint of fleet.endpoints) endpoint.meanMs = meanMs;
      fleet.run(10_000_000 / perSecond, perSecond);
      const calls = fleet.endpoints.map((endpoint) => endpoint.calls);
      return Math.max(...calls) / Math.min(...calls);
    });

  it.each([
    [1000, 10],
    [1000, 50],
    [200, 1],
    [20, 5],
  ])('stays even, busy or idle: %i calls a second of %i ms', (perSecond, meanMs) => {
    for (const most of unevenness(peakEwma, perSecond, meanMs)) expect(most).toBeLessThan(1.3);
  });

  it('would not, if every difference of latency counted (control)', () => {
    const naive = (random: () => number): Choose =>
      twoChoices(
        random,
        (other, one, now) => other.costMs(now) * (other.load + 1) < one.costMs(now) * (one.load + 1),
      );
    expect(Math.max(...unevenness(naive, 200, 1))).toBeGreaterThan(1.5);
  });
});

describe('an endpoint that turns slow by 500 ms', () => {
  /** What 99 of 100 calls of the fleet take: before, and from one second after it until five seconds after. */
  const slowed = (make: (random: () => number) => Choose) =>
    each((seed) => {
      const fleet = new Fleet(5, make, seed);
      const before = quantile(fleet.run(10_000, 200), 0.99);
      fleet.endpoints[0]!.extraMs = 500;
      fleet.run(1000, 200);
      return quantile(fleet.run(4000, 200), 0.99) / before;
    });

  it('is left by the calls within a second: the fleet is as fast as before', () => {
    for (const worse of slowed(peakEwma)) expect(worse).toBeLessThan(2);
  });

  it('holds them where load alone counts (control)', () => {
    for (const worse of slowed(byLoad)) expect(worse).toBeGreaterThan(5);
  });

  it('is called again within a minute of being well', () => {
    const fleet = new Fleet(5, peakEwma);
    const [slow] = fleet.endpoints as [FleetEndpoint];
    fleet.run(10_000, 200);
    slow.extraMs = 500;
    expect(shareOf(slow, fleet.run(60_000, 200))).toBeLessThan(0.01);
    slow.extraMs = 0;
    fleet.run(60_000, 200);
    expect(shareOf(slow, fleet.run(10_000, 200))).toBeGreaterThan(0.1);
  });
});

describe('an endpoint that fails at once', () => {
  const failing = (make: (random: () => number) => Choose, perSecond: number) =>
    each((seed) => {
      const fleet = new Fleet(5, make, seed);
      const [bad] = fleet.endpoints as [FleetEndpoint];
      fleet.run(10_000, perSecond);
      bad.fails = true;
      return shareOf(bad, fleet.run(30_000, perSecond));
    });

  it('does not attract calls', () => {
    for (const perSecond of [50, 1000])
      for (const share of failing(peakEwma, perSecond)) expect(share).toBeLessThan(0.02);
  });

  it('attracts them where load alone counts (control): it is always idle', () => {
    for (const share of failing(byLoad, 1000)) expect(share).toBeGreaterThan(0.3);
  });

  it('is still tried often enough for its gate to learn of five failures in a row', () => {
    const fleet = new Fleet(5, peakEwma);
    fleet.run(10_000, 1000);
    fleet.endpoints[0]!.fails = true;
    const failures = fleet.run(1000, 1000).filter(({ failed }) => failed);
    expect(failures.length).toBeGreaterThan(5);
  });
});

describe('an endpoint that comes to others', () => {
  const shares = (make: (random: () => number) => Choose, slowStartMs: number) => {
    const fleet = new Fleet(5, make);
    const [young] = fleet.endpoints as [FleetEndpoint];
    young.available = false;
    fleet.run(10_000, 500);
    young.available = true;
    young.join(fleet.now, slowStartMs);
    return [0, 1, 2, 3].map(() => shareOf(young, fleet.run(2500, 500)));
  };

  it.each([
    ['peak EWMA', peakEwma],
    ['two choices', byLoad],
    ['round robin', roundRobin],
  ])('gets up to its share slowly, by %s', (_, make) => {
    const [first, second, third, last] = shares(make, 10_000) as [number, number, number, number];
    expect(first).toBeLessThan(0.08);
    expect(first).toBeGreaterThan(0.01);
    expect(second).toBeGreaterThan(first);
    expect(third).toBeGreaterThan(second);
    expect(last).toBeGreaterThan(0.13);
    expect(last).toBeLessThan(0.25);
  });

  it('gets all of it at once where the policy says so (control)', () => {
    expect(shares(byLoad, 0)[0]).toBeGreaterThan(0.15);
  });

  it('keeps nobody waiting where all are as young', () => {
    const fleet = new Fleet(5, peakEwma);
    for (const endpoint of fleet.endpoints) endpoint.join(0, 10_000);
    fleet.run(5000, 1000);
    const calls = fleet.endpoints.map((endpoint) => endpoint.calls);
    expect(Math.max(...calls) / Math.min(...calls)).toBeLessThan(1.3);
  });
});

describe('endpoints of our zone', () => {
  /** Six endpoints, of which the first two stand in our zone. */
  const zoned = (make: (random: () => number) => Choose, prefers = true) => {
    const fleet = new Fleet(6, make);
    fleet.endpoints.forEach((endpoint, at) => {
      endpoint.zone = at < 2 ? 'own' : 'other';
    });
    if (prefers) fleet.near = [0, 1];
    return fleet;
  };
  const own = (calls: readonly FleetCall[]): number =>
    calls.filter(({ endpoint }) => endpoint.zone === 'own').length / calls.length;

  it.each([
    ['peak EWMA', peakEwma],
    ['two choices', byLoad],
  ])('get nearly all calls while they are not busy, by %s', (_, make) => {
    expect(own(zoned(make).run(20_000, 50))).toBeGreaterThan(0.9);
    expect(own(zoned(make, false).run(20_000, 50))).toBeLessThan(0.4); // control: a third of the endpoints
  });

  it('get every call by round robin', () => {
    expect(own(zoned(roundRobin).run(5000, 50))).toBe(1);
  });

  it('share them when they are busy: they never have much more than twice the load of others', () => {
    const fleet = zoned(peakEwma);
    const calls = fleet.run(20_000, 2000);
    expect(own(calls)).toBeGreaterThan(0.4);
    expect(own(calls)).toBeLessThan(0.65); // by load alone 0.33, by zone alone 1
  });

  it.each([
    ['peak EWMA', peakEwma],
    ['two choices', byLoad],
    ['round robin', roundRobin],
  ])('leave to all zones what those that are gone would have had, by %s', (_, make) => {
    const fleet = zoned(make);
    fleet.endpoints[0]!.available = false;
    const calls = fleet.run(20_000, 50);
    const [gone, left] = fleet.endpoints as [FleetEndpoint, FleetEndpoint];
    expect(shareOf(gone, calls)).toBe(0);
    // Half as before, and a fifth of the other half.
    expect(shareOf(left, calls)).toBeGreaterThan(0.5);
    expect(shareOf(left, calls)).toBeLessThan(0.7);
  });

  it('are passed by when they are slow', () => {
    const fleet = zoned(peakEwma);
    for (const endpoint of fleet.endpoints) if (endpoint.zone === 'own') endpoint.extraMs = 500;
    fleet.run(2000, 200);
    expect(own(fleet.run(8000, 200))).toBeLessThan(0.6);
  });
});

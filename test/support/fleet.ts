import type { Choose } from '../../sidecar/policies/choose.ts';
import { PeakLatency } from '../../sidecar/policies/peak-latency.ts';
import { shareAt } from '../../sidecar/policies/slow-start.ts';
import { FakeEndpoint } from './calls.ts';

/** Chance that repeats itself: a linear congruential generator. */
export const dice = (seed = 1): (() => number) => {
  let state = seed;
  return () => {
    state = (state * 16_807) % 2_147_483_647;
    return state / 2_147_483_647;
  };
};

/** An endpoint of a fleet in virtual time: how long it takes, and whether it fails, is the test's to say. */
export class FleetEndpoint extends FakeEndpoint {
  readonly latency: PeakLatency = new PeakLatency();
  /** Milliseconds that a call takes on average; the distribution is exponential. */
  meanMs = 10;
  /** And these on top of it. */
  extraMs = 0;
  /** Fails every call, at once. */
  fails = false;
  joinedAt = 0;
  slowStartMs = 0;
  calls = 0;

  override costMs(now: number): number {
    return this.latency.costMs(now, this.load === 0);
  }

  override share(now: number): number {
    return shareAt(now - this.joinedAt, this.slowStartMs);
  }

  /** It comes now, and begins slowly. */
  join(now: number, slowStartMs: number): void {
    this.joinedAt = now;
    this.slowStartMs = slowStartMs;
    this.youngUntil = now + slowStartMs;
  }
}

/** One call of a fleet. */
export interface FleetCall {
  /** Virtual milliseconds. */
  readonly at: number;
  readonly tookMs: number;
  readonly failed: boolean;
  readonly endpoint: FleetEndpoint;
}

interface End {
  readonly at: number;
  readonly end: () => void;
}

/** A fleet, and what a balancer makes of it. */
export class Fleet {
  readonly endpoints: readonly FleetEndpoint[];
  near: readonly number[] | null = null;
  now = 0;
  readonly #choose: Choose;
  readonly #random: () => number;
  readonly #ends: End[] = [];

  constructor(size: number, make: (random: () => number) => Choose, seed = 1) {
    this.#random = dice(seed);
    this.#choose = make(this.#random);
    this.endpoints = Array.from({ length: size }, (_, at) => new FleetEndpoint(`10.0.0.${at + 1}:1`));
  }

  /** Lets `forMs` go by, with so many arrivals a second, which come by chance. */
  run(forMs: number, perSecond: number): FleetCall[] {
    const calls: FleetCall[] = [];
    const until = this.now + forMs;
    for (let at = this.#next(this.now, perSecond); at < until; at = this.#next(at, perSecond)) {
      this.#pass(at);
      calls.push(this.#call());
    }
    this.#pass(until);
    return calls;
  }

  #next(from: number, perSecond: number): number {
    return from - (1000 / perSecond) * Math.log(1 - this.#random());
  }

  #call(): FleetCall {
    const endpoint = this.#choose(this.endpoints, [], this.now, this.near) as FleetEndpoint;
    endpoint.load++;
    endpoint.calls++;
    const { fails: failed, latency } = endpoint;
    const at = this.now;
    const tookMs = failed ? 1 : endpoint.extraMs - endpoint.meanMs * Math.log(1 - this.#random());
    const end = (): void => {
      endpoint.load--;
      latency.heard(tookMs, this.now, !failed);
      if (failed || latency.fails) latency.ended(this.now, failed);
    };
    this.#ends.push({ at: at + tookMs, end });
    return { at, tookMs, failed, endpoint };
  }

  #pass(until: number): void {
    for (;;) {
      let first: End | null = null;
      for (const each of this.#ends)
        if (each.at <= until && (first === null || each.at < first.at)) first = each;
      if (first === null) break;
      this.#ends.splice(this.#ends.indexOf(first), 1);
      this.now = first.at;
      first.end();
    }
    this.now = until;
  }
}

/** The time that a share of the calls did not exceed, milliseconds. */
export const quantile = (calls: readonly FleetCall[], share: number): number => {
  const sorted = calls.map(({ tookMs }) => tookMs).sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
};

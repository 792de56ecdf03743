import type { Clock } from '../core/kit.ts';

/** Buckets of one method, each an eighth wider than the one before: what is read is at most an eighth too long. */
const buckets = 144;
const growth = 1.125;
/** The first bucket ends here, milliseconds; the last one at an hour and a half. */
const firstMs = 0.25;
/** How long times are remembered at least, milliseconds; at most twice that. */
const windowMs = 30_000;
/** Times without which nothing is known of a method. */
const leastKnown = 20;
/** Methods that are remembered; of those beyond nothing is known. */
const mostMethods = 2000;

/**
 * Latencies remembers how long the calls of each method took lately, so that a quantile of them can be told.
 * Recording is a look-up and two additions; a quantile is read anew once a second.
 */
export class Latencies {
  readonly #clock: Clock;
  readonly #methods: Map<string, Times> = new Map();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A call of `method` went well and took `ms`; `now`, of the clock, where the caller has read it. */
  record(method: string, ms: number, now: number = this.#clock.now()): void {
    let times = this.#methods.get(method);
    if (times === undefined) {
      if (this.#methods.size >= mostMethods) return;
      this.#methods.set(method, (times = new Times(now)));
    }
    times.record(ms, now);
  }

  /** The time that `share` of the calls did not exceed, 0 to 1, in milliseconds; null while too few are known. */
  quantile(method: string, share: number): number | null {
    return this.#methods.get(method)?.quantile(share, this.#clock.now()) ?? null;
  }
}

const growthLog = Math.log(growth);

/** What is known of one method: the window that is filled, and the one before. */
class Times {
  #now: Uint32Array = new Uint32Array(buckets);
  #before: Uint32Array = new Uint32Array(buckets);
  #known = 0;
  #knownBefore = 0;
  #since: number;
  readonly #told: Map<number, { readonly ms: number | null; readonly at: number }> = new Map();

  constructor(now: number) {
    this.#since = now;
  }

  record(ms: number, now: number): void {
    this.#turn(now);
    const bucket = ms <= firstMs ? 0 : Math.ceil(Math.log(ms / firstMs) / growthLog);
    this.#now[Math.min(bucket, buckets - 1)]!++;
    this.#known++;
  }

  quantile(share: number, now: number): number | null {
    const told = this.#told.get(share);
    if (told !== undefined && now - told.at < 1000) return told.ms;
    this.#turn(now);
    const ms = this.#read(share);
    this.#told.set(share, { ms, at: now });
    return ms;
  }

  #read(share: number): number | null {
    const known = this.#known + this.#knownBefore;
    if (known < leastKnown) return null;
    let left = Math.ceil(share * known);
    for (let bucket = 0; bucket < buckets; bucket++) {
      left -= this.#now[bucket]! + this.#before[bucket]!;
      if (left <= 0) return firstMs * growth ** bucket;
    }
    return firstMs * growth ** (buckets - 1);
  }

  #turn(now: number): void {
    const gone = now - this.#since;
    if (gone < windowMs) return;
    const old = this.#before;
    this.#before = gone < 2 * windowMs ? this.#now : old.fill(0);
    this.#knownBefore = gone < 2 * windowMs ? this.#known : 0;
    this.#now = gone < 2 * windowMs ? old.fill(0) : this.#now.fill(0);
    this.#known = 0;
    this.#since = now;
  }
}

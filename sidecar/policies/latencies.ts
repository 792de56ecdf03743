import type { Clock } from '../core/kit.ts';
import { Doom } from './doom.ts';

/**
 * Each doubling of time has eight buckets of equal width: what is read is at most an eighth too long. Ref: Gil Tene,
 * HdrHistogram.
 */
const steps = 8;
/** The first bucket ends here, milliseconds; the last one at some six hours. */
const firstMs = 0.25;
const doublings = 26;
const buckets = 1 + doublings * steps;
/** How long times are remembered at least, milliseconds; at most twice that. */
const windowMs = 30_000;
/** Times without which nothing is known of a method. */
const leastKnown = 20;
/** Methods that are remembered; of those beyond nothing is known. */
const mostMethods = 2000;

/**
 * Latencies remembers how long the calls of each method took lately, so that a quantile of them can be told.
 * Recording is two additions; a quantile is read anew once a second.
 */
export class Latencies {
  readonly #clock: Clock;
  readonly #methods: Map<string, MethodTimes> = new Map();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What is known of `method`, and where to record; null when there are too many methods. */
  of(method: string): MethodTimes | null {
    const known = this.#methods.get(method);
    if (known !== undefined) return known;
    if (this.#methods.size >= mostMethods) return null;
    const times = new MethodTimes(this.#clock.now());
    this.#methods.set(method, times);
    return times;
  }

  /** The time that `share` of the calls did not exceed, 0 to 1, in milliseconds; null while too few are known. */
  quantile(method: string, share: number): number | null {
    return this.#methods.get(method)?.quantile(share, this.#clock.now()) ?? null;
  }
}

/** The bucket of a time: which doubling of the first, and which eighth of it. No logarithm: this is done for every call. */
const bucketOf = (ms: number): number => {
  if (!(ms > firstMs)) return 0;
  const parts = Math.ceil((ms / firstMs) * steps) - 1;
  if (parts >= steps << doublings) return buckets - 1;
  const doubling = 31 - Math.clz32(parts) - 3;
  return 1 + doubling * steps + ((parts >>> doubling) - steps);
};

/** Where a bucket ends, milliseconds. */
const endOf = (bucket: number): number => {
  if (bucket === 0) return firstMs;
  const doubling = Math.floor((bucket - 1) / steps);
  const step = ((bucket - 1) % steps) + 1;
  return firstMs * 2 ** doubling * (1 + step / steps);
};

/** MethodTimes is what is known of one method: the window that is filled, and the one before. */
export class MethodTimes {
  /** Which of its calls have too little time left. */
  readonly doom: Doom = new Doom(this);
  #now: Uint32Array = new Uint32Array(buckets);
  #before: Uint32Array = new Uint32Array(buckets);
  #known = 0;
  #knownBefore = 0;
  #since: number;
  readonly #told: Map<number, { readonly ms: number | null; readonly at: number }> = new Map();

  constructor(now: number) {
    this.#since = now;
  }

  /** A call went well and took `ms`; `now` in monotonic milliseconds. */
  record(ms: number, now: number): void {
    this.#turn(now);
    this.#now[bucketOf(ms)]!++;
    this.#known++;
  }

  /** As `Latencies.quantile`. */
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
      if (left <= 0) return endOf(bucket);
    }
    return endOf(buckets - 1);
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

import type { Clock } from '../core/kit.ts';

/** Questions that may follow each other at once. */
const burst = 2;
/** One further question per half second while answers bring news. */
const quickMs = 500;
/** What a watch degrades to when answers keep coming without news, as an index does that moves with others' changes. */
const slowMs = 15_000;

/**
 * Bucket of tokens that keeps a watch from asking in a circle: burst 2, then two a second, and down to one in
 * 15 s while the answers bring nothing new. Ref: "Blocking Queries" of Consul's API pages, on rate limits.
 */
export class Bucket {
  readonly #clock: Clock;
  #tokens = burst;
  #countedAt: number;
  #everyMs = quickMs;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#countedAt = clock.now();
  }

  /** Takes a token; the answer is how many milliseconds to wait before it may be used. */
  take(): number {
    this.#count();
    this.#tokens -= 1;
    return this.#tokens >= 0 ? 0 : Math.ceil(-this.#tokens * this.#everyMs);
  }

  /** Tells whether the last answer was worth the question. */
  judge(news: boolean): void {
    this.#count();
    if (news) this.#everyMs = quickMs;
    // Only when the burst is used up: a single early answer says nothing.
    else if (this.#tokens < 1) this.#everyMs = Math.min(this.#everyMs * 2, slowMs);
    else this.#everyMs = quickMs;
  }

  #count(): void {
    const now = this.#clock.now();
    this.#tokens = Math.min(burst, this.#tokens + (now - this.#countedAt) / this.#everyMs);
    this.#countedAt = now;
  }
}

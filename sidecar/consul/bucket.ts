import type { Clock } from '../core/kit.ts';

/** Questions that may follow each other at once. */
const burst = 2;
/** One further question per half second while answers bring news. */
const quickMs = 500;
/**
 * How many answers without news are forgiven: an instance that comes moves the index half a dozen times before it
 * passes, and the answer that shows it must not be late.
 */
const patience = 12;
/** What a watch degrades to when answers keep coming without news, as an index does that moves with others' changes. */
const slowMs = 15_000;

/**
 * Bucket of tokens that keeps a watch from asking in a circle: burst 2, then two a second, and down to one in
 * 15 s while the answers go on to bring nothing new. Ref: "Blocking Queries" of Consul's API pages, on rate limits.
 */
export class Bucket {
  readonly #clock: Clock;
  #tokens = burst;
  #countedAt: number;
  #everyMs = quickMs;
  /** Early answers in a row that brought no news. */
  #vain = 0;

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
    // Only when the burst is used up: a single early answer says nothing.
    if (news || this.#tokens >= 1) {
      this.#vain = 0;
      this.#everyMs = quickMs;
    } else if (++this.#vain > patience) this.#everyMs = Math.min(this.#everyMs * 2, slowMs);
  }

  #count(): void {
    const now = this.#clock.now();
    this.#tokens = Math.min(burst, this.#tokens + (now - this.#countedAt) / this.#everyMs);
    this.#countedAt = now;
  }
}

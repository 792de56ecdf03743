/** Seconds that are looked back on, one bucket each. */
export const seconds = 10;

/**
 * RecentCounts counts two kinds of things in each of the last ten seconds.
 *
 * Exact counts, no moving average: in a burst each sample of an average has hardly any weight, and a few calls a
 * second would hide that all of them failed. Times are monotonic milliseconds; one before the latest counts as
 * the latest, so that whoever knows when a call came need not ask what time it is now.
 */
export class RecentCounts {
  /** In the last ten seconds, as of the latest time that was told. */
  first = 0;
  second = 0;
  /** Both kinds of each second, side by side. */
  readonly #buckets: Uint32Array = new Uint32Array(2 * seconds);
  #latest = 0;

  addFirst(at: number): void {
    this.turn(at);
    this.#buckets[2 * (this.#latest % seconds)]!++;
    this.first++;
  }

  addSecond(at: number): void {
    this.turn(at);
    this.#buckets[2 * (this.#latest % seconds) + 1]!++;
    this.second++;
  }

  /** Forgets what is older than ten seconds. */
  turn(at: number): void {
    const second = Math.floor(at / 1000);
    const gone = Math.min(second - this.#latest, seconds);
    if (gone <= 0) return;
    for (let step = 1; step <= gone; step++) {
      const bucket = 2 * ((this.#latest + step) % seconds);
      this.first -= this.#buckets[bucket]!;
      this.second -= this.#buckets[bucket + 1]!;
      this.#buckets[bucket] = 0;
      this.#buckets[bucket + 1] = 0;
    }
    this.#latest = second;
  }

  /** Forgets everything. */
  clear(): void {
    this.#buckets.fill(0);
    this.first = 0;
    this.second = 0;
  }
}

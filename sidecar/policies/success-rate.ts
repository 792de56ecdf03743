/** Seconds that are looked back on, one bucket each. */
const seconds = 10;

/**
 * SuccessRate counts what went well and what did not in each of the last ten seconds.
 *
 * Exact counts, no moving average: in a burst each sample of an average has hardly any weight, and a few calls a
 * second would hide that all of them failed. Times are monotonic milliseconds; one before the latest counts as
 * the latest, so that whoever knows when a call came need not ask what time it is now.
 */
export class SuccessRate {
  /** In the last ten seconds, as of the latest time that was told. */
  well = 0;
  ill = 0;
  /** Well and ill of each second, side by side. */
  readonly #buckets: Uint32Array = new Uint32Array(2 * seconds);
  #second = 0;

  succeed(at: number): void {
    this.turn(at);
    this.#buckets[2 * (this.#second % seconds)]!++;
    this.well++;
  }

  fail(at: number): void {
    this.turn(at);
    this.#buckets[2 * (this.#second % seconds) + 1]!++;
    this.ill++;
  }

  /** Forgets what is older than ten seconds. */
  turn(at: number): void {
    const second = Math.floor(at / 1000);
    const gone = Math.min(second - this.#second, seconds);
    if (gone <= 0) return;
    for (let step = 1; step <= gone; step++) {
      const bucket = 2 * ((this.#second + step) % seconds);
      this.well -= this.#buckets[bucket]!;
      this.ill -= this.#buckets[bucket + 1]!;
      this.#buckets[bucket] = 0;
      this.#buckets[bucket + 1] = 0;
    }
    this.#second = second;
  }

  /** Forgets everything. */
  clear(): void {
    this.#buckets.fill(0);
    this.well = 0;
    this.ill = 0;
  }
}

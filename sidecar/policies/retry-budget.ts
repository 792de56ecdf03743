const buckets = 10;
const bucketMs = 1000;

/**
 * RetryBudget is how much repetitions may add to the calls of one service: a share of the calls of the last ten
 * seconds, and a number a second beside it, so that a service that is called rarely can be tried again at all.
 *
 * Without it an outage is answered by its callers with a multiple of the load that it could not bear. Calls are
 * counted once, however often they are tried. Ref: Finagle's RetryBudget; Google's SRE book, "Handling Overload".
 */
export class RetryBudget {
  readonly #calls: Uint32Array = new Uint32Array(buckets);
  readonly #spent: Uint32Array = new Uint32Array(buckets);
  #callsInAll = 0;
  #spentInAll = 0;
  /** The second that is being filled, counted from the clock's zero. */
  #second = 0;

  /** A call begins, at `now` in monotonic milliseconds. */
  call(now: number): void {
    const second = Math.floor(now / bucketMs);
    if (second > this.#second) this.#turn(second);
    this.#calls[this.#second % buckets]!++;
    this.#callsInAll++;
  }

  /** Whether one more repetition fits: `percent` of the calls, 0 to 100, and `floor` a second. */
  allows(now: number, percent: number, floor: number): boolean {
    this.#turn(Math.floor(now / bucketMs));
    return this.#spentInAll + 1 <= (this.#callsInAll * percent) / 100 + floor * buckets;
  }

  /** A repetition is made. */
  spend(now: number): void {
    this.#turn(Math.floor(now / bucketMs));
    this.#spent[this.#second % buckets]!++;
    this.#spentInAll++;
  }

  /** Empties what is older than ten seconds. */
  #turn(second: number): void {
    // One that is empty ten times over is empty.
    const first = Math.max(this.#second + 1, second - buckets + 1);
    for (let each = first; each <= second; each++) {
      const bucket = each % buckets;
      this.#callsInAll -= this.#calls[bucket]!;
      this.#spentInAll -= this.#spent[bucket]!;
      this.#calls[bucket] = 0;
      this.#spent[bucket] = 0;
    }
    if (second > this.#second) this.#second = second;
  }
}

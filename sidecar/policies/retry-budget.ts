import { RecentCounts, seconds } from './recent-counts.ts';

/**
 * RetryBudget is how much repetitions may add to the calls of one service: a share of the calls of the last ten
 * seconds, and a number a second beside it, so that a service that is called rarely can be tried again at all.
 *
 * Without it an outage is answered by its callers with a multiple of the load that it could not bear. Calls are
 * counted once, however often they are tried. Ref: Finagle's RetryBudget; Google's SRE book, "Handling Overload".
 */
export class RetryBudget {
  /** Calls, and repetitions of them. */
  readonly #made: RecentCounts = new RecentCounts();

  /** A call begins, at `now` in monotonic milliseconds. */
  call(now: number): void {
    this.#made.addFirst(now);
  }

  /** Whether one more repetition fits: `percent` of the calls, 0 to 100, and `floor` a second. */
  allows(now: number, percent: number, floor: number): boolean {
    this.#made.turn(now);
    const { first: calls, second: spent } = this.#made;
    return spent + 1 <= (calls * percent) / 100 + floor * seconds;
  }

  /** A repetition is made. */
  spend(now: number): void {
    this.#made.addSecond(now);
  }
}

import { RecentCounts } from './recent-counts.ts';

/** RecentShare counts the calls of the last ten seconds, and those among them that were refused. */
export class RecentShare {
  readonly #calls: RecentCounts = new RecentCounts();

  /** One call more; `now` in monotonic milliseconds, here and below. */
  call(now: number): void {
    this.#calls.addFirst(now);
  }

  /** Counts a call as refused, unless they are more than `share` then, 0 to 1. */
  refuse(now: number, share: number): boolean {
    this.#calls.turn(now);
    if (this.#calls.second + 1 > this.#calls.first * share) return false;
    this.#calls.addSecond(now);
    return true;
  }
}

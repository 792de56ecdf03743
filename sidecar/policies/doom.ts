import { RecentShare } from './recent-share.ts';

/** Of a method's calls no more are refused: were its times wrong, most calls would still go and put them right. */
const mostShare = 0.2;
/** How long a median is used before it is asked for again, milliseconds. */
const usedMs = 1000;

/** Knows how long the calls of one method take. */
export interface KnowsTimes {
  /** The time that `share` of them did not exceed, milliseconds; null while too few are known. */
  quantile(share: number, now: number): number | null;
}

/** Doom knows which calls of a method have less time left than half of them took. */
export class Doom {
  readonly #times: KnowsTimes;
  readonly #recent: RecentShare = new RecentShare();
  #medianMs = 0;
  #askAt = Number.NEGATIVE_INFINITY;

  constructor(times: KnowsTimes) {
    this.#times = times;
  }

  /** The median of the method when a call with `leftMs` is doomed and may be refused for it; else 0. */
  of(leftMs: number, now: number): number {
    this.#recent.call(now);
    if (now >= this.#askAt) {
      this.#askAt = now + usedMs;
      this.#medianMs = this.#times.quantile(0.5, now) ?? 0;
    }
    return leftMs < this.#medianMs && this.#recent.refuse(now, mostShare) ? this.#medianMs : 0;
  }
}

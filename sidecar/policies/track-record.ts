import { ConsecutiveFailures } from './consecutive-failures.ts';
import { SuccessRate } from './success-rate.ts';

/** What may not be failed more often than. */
export interface FailureLimits {
  /** Failures with no success between. */
  readonly failures: number;
  /** Percent of the calls of the last ten seconds that must go well; 0: all may fail. */
  readonly success: number;
  /** Calls within ten seconds without which the share says nothing. */
  readonly calls: number;
}

/** For how long a failure is recent, in milliseconds: as long as the calls are counted. */
const recentMs = 10_000;

/**
 * TrackRecord decides when something has failed too often: so many times in a row, which is soon noticed and
 * needs few calls, or in too large a share of its calls, which finds what fails every other time.
 *
 * That it is busy (RESOURCE_EXHAUSTED) counts for the share alone: a short burst of refusals is no outage, and what
 * refuses for seconds should be spared.
 */
export class TrackRecord {
  /** The calls of the last ten seconds. */
  readonly rate: SuccessRate = new SuccessRate();
  readonly #row: ConsecutiveFailures;
  #limits: FailureLimits;
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor(limits: FailureLimits) {
    this.#limits = limits;
    this.#row = new ConsecutiveFailures(limits.failures);
  }

  /** May be changed at any time; holds from the next failure on. */
  set limits(limits: FailureLimits) {
    this.#limits = limits;
    this.#row.limit = limits.failures;
  }

  succeed(at: number): void {
    this.#row.succeed();
    this.rate.succeed(at);
  }

  /** True when that was enough. */
  fail(now: number): boolean {
    this.rate.fail(now);
    this.#failedAt = now;
    return this.#row.fail() || this.#isTooRarelyWell();
  }

  /** It refused because it had too much to do; true when that was enough. */
  busy(now: number): boolean {
    this.rate.fail(now);
    return this.#isTooRarelyWell();
  }

  /** Whether the latest that is known of it is a failure, and not an old one. */
  failsLately(now: number): boolean {
    return this.#row.count > 0 && now - this.#failedAt < recentMs;
  }

  /** What was enough, in words. */
  why(): string {
    if (this.#row.count >= this.#limits.failures) return `${this.#row.count} failures in a row`;
    const { well, ill } = this.rate;
    return `${well} of ${well + ill} calls went well within ten seconds, less than ${this.#limits.success} %`;
  }

  /** Begins anew. */
  clear(): void {
    this.#row.succeed();
    this.rate.clear();
  }

  #isTooRarelyWell(): boolean {
    const { well, ill } = this.rate;
    return well + ill >= this.#limits.calls && well * 100 < this.#limits.success * (well + ill);
  }
}

/** How fast a peak is forgotten: a third of it is left after so long. As Finagle and Linkerd have it. */
const decayMs = 10_000;
/**
 * What is taken for an endpoint that calls are at and that nobody has heard of lately, milliseconds, as Linkerd. Also what
 * is noise: a difference of less may be a pause for garbage, ours or theirs, which would keep calls away for long.
 */
export const defaultMs = 30;
/** What was heard longer ago says nothing any more: three times the decay, when a twentieth of a peak is left. */
const knownForMs = 30_000;
/** No wait counts for more: a peak without a bound would not be forgotten in time. */
const mostMs = 5000;

/**
 * How much dearer an endpoint is that fails every call: so many times what it costs and what is noise. Times its latency
 * and not added to it: Linkerd's five seconds would outweigh a fast fleet's latencies for minutes after one failure.
 * Fifty: what fails one call in fifty is twice as dear, and up to there endpoints count as alike, so that errors which
 * belong to requests steer nothing.
 */
const failing = 50;
/**
 * How fast failures are forgotten, and the weight of one after a pause. So that a single failure keeps calls away
 * for some eight seconds: longer, and the five in a row by which a gate shuts would take minutes.
 */
const failureDecayMs = 3000;
const mostGapMs = 1000;
/** What it costs to call a peer that asked us to stay away, milliseconds, and the longest that it can ask for. */
const awayMs = 5000;
const mostAwayMs = 60_000;

/**
 * PeakLatency is what one endpoint lets its callers wait, and what it costs them by that. It follows a peak at once, and
 * comes down slowly. A failure is no sample, however fast it was: it makes the endpoint dearer, by the share of the
 * calls that failed of late.
 *
 * Ref: Finagle, `PeakEwma`; Linkerd, `load-biaser`.
 */
export class PeakLatency {
  #ms = 0;
  #at = Number.NEGATIVE_INFINITY;
  /** Share of the calls that failed, at `#endedAt`. */
  #failed = 0;
  #endedAt = Number.NEGATIVE_INFINITY;
  #awayUntil = Number.NEGATIVE_INFINITY;
  /** What is known may be over: one call is to find out. */
  #doubted = false;

  /** A failure is remembered: how further calls end must be told. */
  get fails(): boolean {
    return this.#failed > 0;
  }

  /** A reply took so long to begin. `whole` is false where none came: then it only counts when it is a peak. */
  heard(ms: number, now: number, whole: boolean): void {
    const tookMs = Math.min(ms, mostMs);
    if (this.#doubted && whole) {
      this.#failed = 0;
      this.#ms = 0;
    }
    this.#doubted = false;
    const kept = keptOf(now - this.#at, decayMs);
    if (tookMs >= this.#ms * kept) this.#ms = tookMs;
    else if (whole) this.#ms = this.#ms * kept + tookMs * (1 - kept);
    else return;
    this.#at = now;
  }

  /**
   * The endpoint has come back: connected again, or let in again. While it is idle it is asked by one call, as one that
   * nobody knows, and what that call hears stands for all that was known.
   */
  doubt(): void {
    this.#doubted = true;
  }

  /** A call is over; of those that went well it need only be told while `fails`. */
  ended(now: number, failed: boolean): void {
    this.#failed *= keptOf(now - this.#endedAt, failureDecayMs);
    // A failure stands for the time since the call before it, so that a share of them counts the same at any rate.
    const gapMs = Math.min(now - Math.max(this.#endedAt, this.#at), mostGapMs);
    if (failed) {
      this.#failed += 1 - keptOf(gapMs, failureDecayMs);
      this.#doubted = false;
    } else if (this.#failed < 0.001) this.#failed = 0;
    this.#endedAt = now;
  }

  /** The peer asked us to stay away for so long. */
  pushedBack(now: number, forMs: number): void {
    this.#awayUntil = Math.max(this.#awayUntil, now + Math.min(forMs, mostAwayMs));
  }

  /**
   * What a call costs, before the calls that are there already. Zero for an idle endpoint that nobody knows: it is
   * asked next, by one call and not by many, or it would not be met again.
   */
  costMs(now: number, isIdle: boolean): number {
    if (now < this.#awayUntil) return awayMs;
    if (this.#doubted && isIdle) return 0;
    const ageMs = now - this.#at;
    const ms = ageMs < knownForMs ? this.#ms * keptOf(ageMs, decayMs) : isIdle && !this.fails ? 0 : defaultMs;
    if (!this.fails) return ms;
    const share = this.#failed * keptOf(now - this.#endedAt, failureDecayMs);
    return ms + (ms + defaultMs) * failing * share;
  }
}

/** What is left of a memory of that age. */
const keptOf = (ageMs: number, memoryMs: number): number => {
  const share = ageMs / memoryMs;
  if (share <= 0) return 1;
  // So near to nothing the line is the curve: the usual case where calls are many.
  return share < 0.01 ? 1 - share : Math.exp(-share);
};

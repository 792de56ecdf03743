/** How long to wait before another try: doubled each time, up to a limit, with jitter. */
export interface Backoff {
  /** Wait before the first repetition, milliseconds. */
  readonly firstMs: number;
  /** No wait is longer, jitter apart, milliseconds. */
  readonly longestMs: number;
  /** Share of the wait that chance moves, to either side: 0.2 means from 0.8 to 1.2 times. */
  readonly jitter: number;
}

/** Milliseconds to wait before repetition `repetition`, which counts from 0; `chance` is uniform in [0, 1). */
export const backoffMs = (backoff: Backoff, repetition: number, chance: number): number =>
  // 2 ** 30 is far above any limit; without the bound a long outage would end in Infinity * 0.
  jittered(
    Math.min(backoff.firstMs * 2 ** Math.min(repetition, 30), backoff.longestMs),
    backoff.jitter,
    chance,
  );

/** `ms` moved by chance, at most `jitter` of it to either side, so that many that failed together come back apart. */
export const jittered = (ms: number, jitter: number, chance: number): number =>
  ms * (1 - jitter + 2 * jitter * chance);

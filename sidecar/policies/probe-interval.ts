/** When a shut endpoint is probed. */
export interface ProbeTimes {
  /** Between probes of an outage that has just begun, milliseconds. */
  readonly firstMs: number;
  /** How long an outage has just begun, milliseconds. */
  readonly quickMs: number;
  /** No interval is longer, milliseconds. */
  readonly longestMs: number;
}

/**
 * Milliseconds until the next probe of what has been shut for `shutMs`: most outages are restarts, so that at first
 * little is lost by asking often; then each wait is twice the one before. It is doubled too for each time that the
 * gate opened and shut again at once.
 */
export const probeIntervalMs = (times: ProbeTimes, shutMs: number, relapses: number): number => {
  const { firstMs, quickMs, longestMs } = times;
  // Whoever waits as long as it has waited since then, and two first waits, waits twice as long each time.
  const ofOutage = shutMs < quickMs ? firstMs : shutMs - quickMs + 2 * firstMs;
  return Math.min(Math.max(firstMs * 2 ** Math.min(relapses, 30), ofOutage), longestMs);
};

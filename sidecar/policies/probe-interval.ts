/** When a shut endpoint is probed. */
export interface ProbeTimes {
  /** Between probes of an outage that has just begun, milliseconds. */
  readonly firstMs: number;
  /** No interval is longer, milliseconds. */
  readonly longestMs: number;
}

/**
 * Milliseconds until the next probe of an endpoint that has been shut for `shutMs`: a tenth of the outage, so that
 * coming back costs at most a tenth more than being gone, and doubled for each time that it opened and fell again.
 */
export const probeIntervalMs = (times: ProbeTimes, shutMs: number, relapses: number): number =>
  Math.min(Math.max(times.firstMs * 2 ** Math.min(relapses, 30), shutMs / 10), times.longestMs);

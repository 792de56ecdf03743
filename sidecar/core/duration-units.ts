/** Milliseconds of each unit in which Go writes durations. Ref: time.ParseDuration of Go. */
export const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

import type { Status } from '../../sidecar/core/status.ts';

/** One call of a simulated app, and what became of it. */
export interface CallRecord {
  /** The sidecar that made it: `caller-1`, or an instance that calls others. */
  readonly caller: string;
  readonly service: string;
  readonly method: string;
  /** When it began, milliseconds since the beginning of the run. */
  readonly atMs: number;
  tookMs: number;
  /** Null while it runs. */
  status: Status | null;
  /** The endpoint of each attempt. */
  readonly attempts: string[];
}

/** A time for which one sidecar's gate kept calls from an endpoint; `toMs` is Infinity where it has not opened again. */
export interface Ejection {
  readonly caller: string;
  readonly endpoint: string;
  readonly fromMs: number;
  toMs: number;
}

/** What is there at the end: it must all come out even. */
export interface Sum {
  readonly started: number;
  readonly finished: number;
  readonly cancelled: number;
  /** Timers that are still armed after everything was closed. */
  readonly timers: number;
}

/** What a run found. */
export interface Run {
  readonly seed: number;
  readonly calls: readonly CallRecord[];
  readonly ejections: readonly Ejection[];
  /** Calls that reached an instance, by its id, such as `inventory-1:50051`. */
  readonly reached: ReadonlyMap<string, number>;
  /** Health checks that were made of an instance, by its id. */
  readonly probes: ReadonlyMap<string, number>;
  readonly sum: Sum;
}

/** Those calls that began in this time. */
export const begunIn = (
  calls: readonly CallRecord[],
  fromMs: number,
  toMs: number = Number.POSITIVE_INFINITY,
): readonly CallRecord[] => calls.filter(({ atMs }) => atMs >= fromMs && atMs < toMs);

/** Those that went wrong. */
export const failed = (calls: readonly CallRecord[]): readonly CallRecord[] =>
  calls.filter(({ status }) => status?.code !== 0);

/** The share that went well, 0 to 1; 1 where there was no call. */
export const success = (calls: readonly CallRecord[]): number =>
  calls.length === 0 ? 1 : 1 - failed(calls).length / calls.length;

/** Attempts for each call. */
export const attemptsPerCall = (calls: readonly CallRecord[]): number =>
  calls.length === 0 ? 0 : calls.reduce((sum, { attempts }) => sum + attempts.length, 0) / calls.length;

/** How long the quicker `share` of the calls took, milliseconds. */
export const tookMs = (calls: readonly CallRecord[], share: number): number => {
  const times = calls.map((call) => call.tookMs).sort((one, other) => one - other);
  return times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
};

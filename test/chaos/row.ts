/** What a run of a row found. */
export interface Finding {
  /** Figures with the defence in place, and without it. */
  readonly measured: string;
  readonly control: string;
  /** The promise was kept, and the control run shows the harm. */
  readonly kept: boolean;
}

/** Row is one line of the table: a fault or an attack, what must hold, and how it is found out. */
export interface Row {
  /** As in the list of faults: `T-40`. */
  readonly id: string;
  readonly fault: string;
  readonly promise: string;
  /** `short`: for a quick look, where the row has a short form. */
  run(short?: boolean): Promise<Finding>;
}

/** Octets as people read them. */
export const mebibytes = (octets: number): string => `${(octets / 1024 / 1024).toFixed(1)} MiB`;

/** Milliseconds as people read them; negative: it never happened. */
export const milliseconds = (ms: number): string => (ms < 0 ? 'never' : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`);

/** The value below which `share` of `values` lie. */
export const percentile = (values: readonly number[], share: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
};

import type { Figure } from './cases.ts';
import type { ChainName } from './chains/chain.ts';

/** One chain under one kind of load, round by round. A figure that a case does not have is absent. */
export interface Row {
  readonly caseId: string;
  readonly column: string;
  readonly chain: ChainName;
  readonly rounds: Round[];
  /** Why the chain was left out of further rounds, or null. */
  failure: string | null;
}

/** A row without rounds. */
export const newRow = (caseId: string, column: string, chain: ChainName): Row => ({
  caseId,
  column,
  chain,
  rounds: [],
  failure: null,
});

/** CPU and latencies in microseconds, memory in bytes. */
export interface Round {
  readonly cpu?: number;
  readonly p50?: number;
  readonly p99?: number;
  readonly rss?: number;
  readonly perSecond?: number;
  /** CPU of the load generator per call. */
  readonly loadCpu?: number;
  readonly latenessP99?: number;
}

/** A middle with what was smallest and largest. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The spread of a list; null when it is empty. */
export const spread = (values: readonly number[]): Spread | null => {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
  return { median, min: sorted[0]!, max: sorted[sorted.length - 1]! };
};

/** The spread of one figure of a row. */
export const figureOf = (row: Row, figure: Figure | 'perSecond'): Spread | null =>
  spread(row.rounds.map((round) => round[figure]).filter((value) => value !== undefined));

/** The ratio of two rows round by round: both of a round met the same machine. */
export const ratio = (row: Row, against: Row, figure: Figure): Spread | null => {
  if (row.failure !== null || against.failure !== null) return null;
  const ratios: number[] = [];
  row.rounds.forEach((round, index) => {
    const [one, other] = [round[figure], against.rounds[index]?.[figure]];
    if (one !== undefined && other !== undefined && other > 0) ratios.push(one / other);
  });
  return spread(ratios);
};

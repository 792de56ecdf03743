import { readFileSync } from 'node:fs';
import type { Figure } from './cases.ts';
import type { ChainName } from './chains/chain.ts';
import { type Row, ratio, type Spread } from './results.ts';

/** One promise: the sidecar's figure, divided by another chain's, or by its own under other load. */
export interface Promised {
  readonly case: string;
  /** Whose figure it is; default `outrigger`. */
  readonly chain?: ChainName;
  readonly column: string;
  readonly figure: Figure;
  readonly against: ChainName | { readonly column: string };
  /** The ratio is at most this. */
  readonly limit: number;
}

/** What became of a promise. */
export interface Verdict {
  readonly promised: Promised;
  /** Null when the one to compare with did not run. */
  readonly ratio: Spread | null;
  readonly word: 'kept' | 'BROKEN' | 'skipped';
  /** A limit to put into the file in place of the present one, or null. */
  readonly tighten: number | null;
}

/** A limit this much above the worst round is too wide to notice that something got slower. */
const slack = 1.2;
/** With fewer rounds chance decides. */
const enoughRounds = 5;

/** Reads a file such as `bench/budget.json`. */
export const readBudget = (file: URL): readonly Promised[] =>
  (JSON.parse(readFileSync(file, 'utf8')) as { ratios: Promised[] }).ratios;

/** Holds the rows to the promises of the cases that ran. */
export const judge = (budget: readonly Promised[], rows: readonly Row[]): Verdict[] =>
  budget
    .filter(({ case: id }) => rows.some(({ caseId }) => caseId === id))
    .map((promised) => {
      const { against, column, chain = 'outrigger' } = promised;
      const find = (whose: ChainName, name: string): Row | undefined =>
        rows.find((row) => row.caseId === promised.case && row.chain === whose && row.column === name);
      const own = find(chain, column);
      const other = typeof against === 'string' ? find(against, column) : find(chain, against.column);
      const found = own && other ? ratio(own, other, promised.figure) : null;
      const failed = own !== undefined && own.failure !== null;
      if (failed) return { promised, ratio: null, word: 'BROKEN', tighten: null };
      if (found === null) return { promised, ratio: null, word: 'skipped', tighten: null };
      const word = found.median <= promised.limit ? 'kept' : 'BROKEN';
      const wanted = Math.ceil(found.max * 1.1 * 100) / 100;
      const better = own!.rounds.length >= enoughRounds && wanted * slack < promised.limit;
      return { promised, ratio: found, word, tighten: better ? wanted : null };
    });

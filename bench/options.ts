import { parseArgs } from 'node:util';
import { cases } from './cases.ts';
import { chains } from './chains/index.ts';

/** How long and how often. */
export interface Options {
  readonly cases: readonly string[];
  readonly chains: readonly string[];
  readonly rounds: number;
  /** Load before the first round, once for each chain and column: the JIT compiler's time. */
  readonly firstMs: number;
  /** Load before each window. */
  readonly warmMs: number;
  readonly windowMs: number;
  readonly json: string | null;
  readonly profiles: string | null;
  readonly quick: boolean;
  /** Only what each filter costs is measured, in this process. */
  readonly filters: boolean;
}

const usage = `npm run bench -- [--filters] [--quick] [--case a,b] [--chain NAMES] [--rounds N] [--json FILE] [--profile DIRECTORY]

  --quick     short windows and 2 rounds: for development, too noisy to judge by
  --case      letters of the cases to run, such as a,b; default all
  --chain     names of the chains to run, such as outrigger,envoy; default all that are here
  --rounds    how often each chain is measured; default 5
  --json      where to write every round
  --filters   what each filter of the stack costs a call, and nothing else
  --profile   where our own proxies leave CPU profiles (which costs them some time); read with dist/bench/top.js
`;

/** Reads the command line; throws with the usage when it makes no sense. */
export const readOptions = (args: readonly string[]): Options => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      case: { type: 'string', default: cases.map(({ id }) => id).join(',') },
      chain: { type: 'string', default: [...chains.keys()].join(',') },
      rounds: { type: 'string' },
      json: { type: 'string' },
      profile: { type: 'string' },
      filters: { type: 'boolean', default: false },
    },
  });
  const { quick } = values;
  const letters = values.case.split(',');
  const strange = letters.find((letter) => !cases.some(({ id }) => id === letter));
  if (strange !== undefined) throw new Error(`--case ${strange}: there is no such case\n\n${usage}`);
  const names = values.chain.split(',');
  const stranger = names.find((name) => ![...chains.keys()].some((known) => known === name));
  if (stranger !== undefined)
    throw new Error(`--chain ${stranger}: must be of ${[...chains.keys()].join(', ')}\n\n${usage}`);
  const rounds = Number(values.rounds ?? (quick ? 2 : 5));
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds ${values.rounds}: must be a whole number of at least 1\n\n${usage}`);
  return {
    cases: letters,
    chains: names,
    rounds,
    firstMs: quick ? 1500 : 4000,
    warmMs: quick ? 300 : 1000,
    windowMs: quick ? 1500 : 4000,
    json: values.json ?? null,
    profiles: values.profile ?? null,
    filters: values.filters,
    quick,
  };
};

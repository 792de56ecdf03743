import { setTimeout as pause } from 'node:timers/promises';
import type { MemoryCase } from './cases.ts';
import type { Chain, ChainName } from './chains/chain.ts';
import type { LoadGenerator } from './children.ts';
import type { Options } from './options.ts';
import { newRow, type Row } from './results.ts';
import { checked, place, unlessItFails } from './run-load.ts';
import { residentBytes, sumOver } from './usage.ts';

/** Time for timers and the kernel to settle before memory is read, in milliseconds. */
const settleMs = 1000;

/** Measures memory: fresh processes in every round, since what was once allocated stays. */
export const runMemory = async (
  it: MemoryCase,
  names: readonly ChainName[],
  start: (name: ChainName) => Promise<Chain>,
  load: LoadGenerator,
  options: Options,
): Promise<Row[]> => {
  const columns = ['idle', 'after load', 'idle connections'] as const;
  const rows: Row[] = columns.flatMap((column) => names.map((chain) => newRow(it.id, column, chain)));
  for (let round = 0; round < options.rounds; round++)
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(round + turn) % names.length]!;
      const own = rows.filter(({ chain }) => chain === name);
      const chain = await start(name);
      const note = (column: string): void => {
        const rss = sumOver(chain.pids, residentBytes);
        own.find((row) => row.column === column)!.rounds.push({ rss });
      };
      await unlessItFails(own[0]!, () => measure(it, chain, note, load, options));
      await load.release();
      await chain.stop();
      for (const row of own) row.failure = own[0]!.failure;
    }
  return rows;
};

const measure = async (
  it: MemoryCase,
  chain: Chain,
  note: (column: string) => void,
  load: LoadGenerator,
  options: Options,
): Promise<void> => {
  await pause(settleMs);
  note('idle');
  await checked(chain, load, place(it.load, chain, options.warmMs, options.windowMs));
  await pause(settleMs);
  note('after load');
  await load.hold(chain.port, it.idleConnections);
  await pause(settleMs);
  note('idle connections');
};

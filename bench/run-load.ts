import { setTimeout as pause } from 'node:timers/promises';
import type { LoadCase, Shape } from './cases.ts';
import type { Chain } from './chains/chain.ts';
import type { LoadGenerator } from './children.ts';
import type { Load, Outcome } from './load/job.ts';
import type { Options } from './options.ts';
import { newRow, type Round, type Row } from './results.ts';

/** Measures one case: every chain in every round, in another order each time. */
export const runLoad = async (
  it: LoadCase,
  chains: readonly Chain[],
  load: LoadGenerator,
  options: Options,
): Promise<Row[]> => {
  const { firstMs, warmMs, windowMs } = options;
  const rows: Row[] = [];
  for (const { name, load: shape } of it.columns)
    for (const chain of chains) {
      const row = newRow(it.id, name, chain.name);
      rows.push(row);
      await unlessItFails(row, () => checked(chain, load, place(shape, chain, firstMs / 2, firstMs / 2)));
    }
  for (let round = 0; round < options.rounds; round++)
    for (const { name, load: shape } of it.columns)
      for (let turn = 0; turn < chains.length; turn++) {
        const chain = chains[(round + turn) % chains.length]!;
        const row = rows.find((one) => one.column === name && one.chain === chain.name)!;
        if (row.failure !== null) continue;
        await unlessItFails(row, async () => {
          row.rounds.push(figures(await checked(chain, load, place(shape, chain, warmMs, windowMs))));
        });
      }
  return rows;
};

/** A chain that cannot do what a column asks is left out of it, with the reason; the others go on. */
export const unlessItFails = async (row: Row, work: () => Promise<unknown>): Promise<void> => {
  try {
    await work();
  } catch (error) {
    row.failure = (error as Error).message;
  }
};

/** A shape becomes a job when it is known against whom and how long. */
export const place = (shape: Shape, chain: Chain, warmMs: number, windowMs: number): Load =>
  ({ ...shape, port: chain.port, watch: chain.pids, warmMs, windowMs }) as Load;

/** Runs a job and throws unless every call was answered in full, by the callers' account and by the sidecar's own. */
export const checked = async (chain: Chain, load: LoadGenerator, job: Load): Promise<Outcome> => {
  const before = await chain.counted?.();
  const outcome = await load.run(job);
  if (outcome.failed > 0)
    throw new Error(`${outcome.failed} calls failed, the first by: ${outcome.firstFailure}`);
  if (outcome.done === 0) throw new Error(`no call ended within the window`);
  if (chain.counted === undefined || before === undefined) return outcome;
  // A cancelled stream is counted when its cancellation has crossed the sockets.
  for (let tries = 0; ; tries++) {
    const after = await chain.counted();
    const [ok, others] = [after.ok - before.ok, after.others - before.others];
    if (ok === outcome.ended && others === outcome.cancelled) return outcome;
    if (tries === 40)
      throw new Error(
        `it counted ${ok} good calls and ${others} others; the callers ${outcome.ended} and ${outcome.cancelled}`,
      );
    await pause(25);
  }
};

const figures = (outcome: Outcome): Round => ({
  cpu: outcome.cpuUs / outcome.done,
  p50: outcome.p50,
  p99: outcome.p99,
  perSecond: (outcome.done * 1e6) / outcome.windowUs,
  loadCpu: outcome.ownCpuUs / outcome.done,
  latenessP99: outcome.latenessP99,
});

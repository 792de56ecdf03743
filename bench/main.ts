/** `npm run bench`: the sidecar beside Envoy and HAProxy under the same load. See README.md. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { judge, readBudget } from './budget.ts';
import { type Case, cases } from './cases.ts';
import { makeCertificates } from './chains/certificates.ts';
import type { Chain, ChainName, Ground, Hops } from './chains/chain.ts';
import { absent, chains } from './chains/index.ts';
import { Backend, LoadGenerator } from './children.ts';
import { filterCosts, filterTable } from './filters.ts';
import { type Options, readOptions } from './options.ts';
import type { Row } from './results.ts';
import { runLoad } from './run-load.ts';
import { runMemory } from './run-memory.ts';
import { table, verdicts } from './table.ts';

/** Stands in the sources: this runs from dist. */
const budget = new URL('../../bench/budget.json', import.meta.url);

/** Runs one case on its chains, as far as they are here. */
const runCase = async (it: Case, ground: Ground, load: LoadGenerator, options: Options): Promise<Row[]> => {
  const names = it.chains.filter((name) => options.chains.includes(name) && absent(name) === null);
  const start = (name: ChainName, hops: Hops): Promise<Chain> => chains.get(name)!(ground, hops);
  if (it.kind === 'memory') return runMemory(it, names, (name) => start(name, 1), load, options);
  const running: Chain[] = [];
  try {
    for (const name of names) running.push(await start(name, it.hops));
    return await runLoad(it, running, load, options);
  } finally {
    await Promise.all(running.map((chain) => chain.stop()));
  }
};

const bench = async (options: Options): Promise<boolean> => {
  const directory = mkdtempSync(join(tmpdir(), 'outrigger-bench-'));
  const backend = await Backend.start();
  const load = new LoadGenerator();
  const rows: Row[] = [];
  try {
    if (options.profiles !== null) mkdirSync(options.profiles, { recursive: true });
    const ground: Ground = {
      backendPort: backend.port,
      directory,
      certificates: await makeCertificates(directory),
      profiles: options.profiles,
    };
    for (const it of cases.filter(({ id }) => options.cases.includes(id))) {
      const found = await runCase(it, ground, load, options);
      rows.push(...found);
      console.log(table(it, found));
    }
  } finally {
    await Promise.all([load.stop(), backend.stop()]);
    rmSync(directory, { recursive: true });
  }
  const judged = judge(readBudget(budget), rows);
  console.log(verdicts(judged));
  if (options.json !== null)
    writeFileSync(options.json, JSON.stringify({ machine: machine(), options, rows, judged }, null, 2));
  return judged.every(({ word }) => word !== 'BROKEN');
};

const machine = () => ({
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  node: process.version,
  load: loadavg()[0],
});

const main = async (): Promise<void> => {
  if (!existsSync('/proc/self/stat'))
    throw new Error('CPU time and memory are read from /proc, which only Linux has: run the bench there');
  const options = readOptions(process.argv.slice(2));
  const { cpu, cores, node, load } = machine();
  console.log(`${cores} x ${cpu}, Node ${node}, load average ${load?.toFixed(2)}, ${options.rounds} rounds`);
  for (const name of chains.keys()) {
    const reason = absent(name);
    if (reason !== null) console.log(`skipped: ${name} (${reason})`);
  }
  if (load !== undefined && load > 1)
    console.log('this machine is busy: trust ratios, not figures, and latencies not at all');
  console.log('');
  if (options.filters) console.log(filterTable(await filterCosts()));
  else if (!(await bench(options))) process.exitCode = 1;
};

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 2;
});

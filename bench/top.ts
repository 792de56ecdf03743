/** Says where the time of a CPU profile went: `node dist/bench/top.js FILE...`, functions by their own time. */
import { readFileSync } from 'node:fs';

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Not the process's own work. */
const asleep: ReadonlySet<string> = new Set(['(idle)', '(root)']);
const shown = 40;

for (const file of process.argv.slice(2)) {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8')) as Profile;
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const times = new Map<string, number>();
  let total = 0;
  samples.forEach((id, index) => {
    const { functionName, url, lineNumber } = frames.get(id)!;
    if (asleep.has(functionName)) return;
    const place = url === '' ? '' : ` ${url.replace(/^.*\/dist\//, '')}:${lineNumber + 1}`;
    const name = `${functionName || '(anonymous)'}${place}`;
    times.set(name, (times.get(name) ?? 0) + timeDeltas[index]!);
    total += timeDeltas[index]!;
  });
  console.log(`${file}: ${(total / 1e6).toFixed(1)} s busy`);
  const sorted = [...times].sort((one, other) => other[1] - one[1]).slice(0, shown);
  for (const [name, time] of sorted)
    console.log(`${((100 * time) / total).toFixed(1).padStart(6)} %  ${name}`);
}

/**
 * `npm run lab`: every cell of partial failure with a thousand seeds, as a table with the worst seed of each. Words
 * after it pick cells and seeds: `npm run lab -- --seeds 50 "1 of 3"`. Ends with 1 when a cell is not kept.
 */

import { textTable } from '../support/text-table.ts';
import { cells, type Found, nameOf, tryCell, worse } from './matrix.ts';

const words = process.argv.slice(2);
const at = words.indexOf('--seeds');
const seeds = at < 0 ? 1000 : Number(words.splice(at, 2)[1]);
const wanted = cells.filter(
  (cell) => words.length === 0 || words.some((word) => nameOf(cell).includes(word)),
);

const line = textTable([
  ['cell', 28],
  ['kept', 11],
  ['worst', 6],
  ['success', 9],
  ['failed', 12],
  ['attempts', 9],
  ['innocent out', 13],
  ['', 0],
]);
let broken = 0;
let left = 0;
let rssAfterFirst = 0;
for (const cell of wanted) {
  let kept = 0;
  let worst: Found | null = null;
  for (let seed = 1; seed <= seeds; seed++) {
    const found = await tryCell(cell, seed);
    left += found.left;
    if (found.kept) kept++;
    worst = worst === null ? found : worse(worst, found);
  }
  rssAfterFirst ||= process.memoryUsage.rss();
  if (kept < seeds) broken++;
  const { seed, success, failures, mayFail, attempts, innocentMs } = worst!;
  line([
    nameOf(cell),
    `${kept}/${seeds}`,
    String(seed),
    `${(100 * success).toFixed(2)} %`,
    `${failures} (of ${mayFail})`,
    attempts.toFixed(3),
    `${innocentMs.toFixed(0)} ms`,
    kept < seeds ? 'NOT KEPT' : '',
  ]);
}
const mebibytes = (octets: number): string => `${(octets / 2 ** 20).toFixed(0)} MiB`;
console.log(
  `${left} calls or timers left over; RSS ${mebibytes(rssAfterFirst)} after the first cell, ${mebibytes(process.memoryUsage.rss())} at the end`,
);
console.log(`${wanted.length} cells of ${seeds} seeds, ${broken} not kept`);
process.exitCode = broken === 0 ? 0 : 1;

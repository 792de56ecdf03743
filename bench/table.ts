import type { Verdict } from './budget.ts';
import type { Case } from './cases.ts';
import { figureOf, type Row, ratio, type Spread } from './results.ts';

const mebibyte = 1024 * 1024;

const number = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(1));
const withSpread = (spread: Spread | null, divisor: number): string =>
  spread === null
    ? ''
    : `${number(spread.median / divisor)} (${number(spread.min / divisor)}..${number(spread.max / divisor)})`;
const asRatio = (spread: Spread | null): string =>
  spread === null ? '' : `${spread.median.toFixed(2)} (${spread.min.toFixed(2)}..${spread.max.toFixed(2)})`;

/** The rows of one case as a table of text: medians, with smallest and largest in brackets. */
export const table = (it: Case, rows: readonly Row[]): string => {
  const memory = it.kind === 'memory';
  const head = memory
    ? ['', '', 'RSS MiB', 'x envoy']
    : ['', '', `CPU us/${it.unit}`, 'x envoy', 'p50 us', 'p99 us', `${it.unit}s/s`];
  const lines = rows.map((row) => {
    const envoy = rows.find(({ chain, column }) => chain === 'envoy' && column === row.column);
    const against = envoy === undefined ? null : ratio(row, envoy, memory ? 'rss' : 'cpu');
    if (memory) return [row.column, row.chain, withSpread(figureOf(row, 'rss'), mebibyte), asRatio(against)];
    return [
      row.column,
      row.chain,
      row.chain === 'no-proxy' ? '' : withSpread(figureOf(row, 'cpu'), 1),
      row.chain === 'no-proxy' ? '' : asRatio(against),
      withSpread(figureOf(row, 'p50'), 1),
      withSpread(figureOf(row, 'p99'), 1),
      withSpread(figureOf(row, 'perSecond'), 1),
    ];
  });
  const failures = rows
    .filter(({ failure }) => failure !== null)
    .map(({ chain, column, failure }) => `  ${chain}, ${column}: ${failure}\n`);
  return `(${it.id}) ${it.title}\n${columns([head, ...lines])}\n${failures.join('')}`;
};

/** Which promises were kept. */
export const verdicts = (list: readonly Verdict[]): string => {
  const lines = list.map(({ promised, ratio: found, word }) => [
    `(${promised.case}) ${promised.column}`,
    promised.figure,
    typeof promised.against === 'string' ? `x ${promised.against}` : `x ${promised.against.column}`,
    `at most ${promised.limit.toFixed(2)}`,
    asRatio(found),
    word,
  ]);
  const advice = list
    .filter(({ tighten }) => tighten !== null)
    .map(
      ({ promised, tighten }) =>
        `(${promised.case}) ${promised.column}, ${promised.figure}: clearly better; put ${tighten} in bench/budget.json\n`,
    );
  return `Budget\n${columns(lines)}\n${advice.join('')}`;
};

const columns = (lines: readonly (readonly string[])[]): string => {
  const widths = (lines[0] ?? []).map((_, index) => Math.max(...lines.map((line) => line[index]!.length)));
  return lines
    .map((line) => `  ${line.map((cell, index) => cell.padEnd(widths[index]!)).join('  ')}`.trimEnd())
    .join('\n');
};

import { Count, type Family, type Histogram, latencyBounds } from '../core/meter.ts';

/** Content type of the text format 0.0.4, which every version of Prometheus reads. */
export const contentType: string = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * Writes what a meter read in the text format 0.0.4. Families without a number yet keep their two comment lines,
 * so that a first scrape already names every metric.
 * Ref: Prometheus "Exposition formats", section "Text-based format".
 */
export const writeMetrics = (families: readonly Family[]): string => {
  const lines: string[] = [];
  for (const { definition, cells } of families) {
    const { name, help, kind, labels } = definition;
    lines.push(`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${kind}`);
    for (const [key, cell] of cells) {
      const pairs = pairsOf(labels, key);
      if (cell instanceof Count) lines.push(`${name}${braces(pairs)} ${number(cell.value)}`);
      else writeHistogram(lines, name, pairs, cell);
    }
  }
  lines.push('');
  return lines.join('\n');
};

const writeHistogram = (
  lines: string[],
  name: string,
  pairs: readonly string[],
  histogram: Histogram,
): void => {
  let below = 0;
  for (const [bucket, bound] of latencyBounds.entries()) {
    below += histogram.counts[bucket]!;
    lines.push(`${name}_bucket${braces([...pairs, `le="${bound}"`])} ${below}`);
  }
  below += histogram.counts[latencyBounds.length]!;
  lines.push(
    `${name}_bucket${braces([...pairs, 'le="+Inf"'])} ${below}`,
    `${name}_sum${braces(pairs)} ${number(histogram.sum)}`,
    `${name}_count${braces(pairs)} ${below}`,
  );
};

const pairsOf = (labels: readonly string[], key: string): string[] => {
  if (labels.length === 0) return [];
  const values = key.split('\0');
  return labels.map((label, index) => `${label}="${escapeLabel(values[index] ?? '')}"`);
};

const braces = (pairs: readonly string[]): string => (pairs.length === 0 ? '' : `{${pairs.join(',')}}`);

const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');

const escapeLabel = (text: string): string => escapeHelp(text).replaceAll('"', '\\"');

const number = (value: number): string => {
  if (Number.isNaN(value)) return 'NaN';
  if (Number.isFinite(value)) return String(value);
  return value > 0 ? '+Inf' : '-Inf';
};

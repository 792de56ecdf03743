import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { settingsPage } from '../sidecar/settings/document.ts';
import { drainList, limitList } from '../sidecar/settings/limits.ts';
import { metricsPage } from '../sidecar/telemetry/document.ts';
import { metrics } from '../sidecar/telemetry/metrics.ts';
import { root, sources } from './support/sources.ts';

const page = (name: string): string => readFileSync(join(root, 'docs', name), 'utf8');

const sidecar = sources('sidecar');
const filters = sources('sidecar/filters').map(({ path, text }) => ({
  name: path.split('/').at(-1)!.replace('.ts', ''),
  text,
}));

/** Every name between backticks that has the shape of a metric. */
const metricsIn = (text: string): string[] =>
  text.match(/\b(?:outrigger|process)_[a-z_]+(?:total|seconds|bytes|[a-z])\b/g) ?? [];

describe('docs/settings.md', () => {
  it('says what the schema says: run npm run settings', () => {
    expect(page('settings.md')).toBe(settingsPage());
  });

  it('speaks of no limit that nobody reads', () => {
    const readers = sidecar
      .filter(({ path }) => !path.startsWith('sidecar/settings/'))
      .map(({ text }) => text);
    const isRead = (key: string): boolean =>
      readers.some(
        (text) => text.includes(`['${key}']`) || text.includes(`.${key}`) || text.includes(`'${key}'`),
      );
    const unread = [...Object.keys(limitList), ...Object.keys(drainList)].filter((key) => !isRead(key));
    expect(unread).toEqual([]);
  });
});

describe('docs/metrics.md', () => {
  it('says what the list of metrics says: run npm run settings', () => {
    expect(page('metrics.md')).toBe(metricsPage());
  });

  it('speaks of no metric that nobody counts', () => {
    const counting = sidecar
      .filter(({ path }) => path !== 'sidecar/telemetry/metrics.ts')
      .map(({ text }) => text);
    const idle = metrics
      .map(({ name }) => name)
      .filter((name) => !counting.some((text) => text.includes(`'${name}'`)));
    expect(idle).toEqual([]);
  });

  it('gives counters of things a name that ends in total, and times and sizes their unit', () => {
    const odd = metrics
      .filter(
        ({ name, kind }) =>
          (kind === 'counter') !== name.endsWith('_total') ||
          (kind === 'histogram' && !name.endsWith('_seconds')),
      )
      .map(({ name }) => name);
    expect(odd).toEqual([]);
  });
});

describe('a filter', () => {
  const words = ['Above', 'Reads', 'Answers', 'Counts', 'Keeps', 'Status'];

  it.each(filters)(
    '$name says in its header where it stands, in the same words as all others',
    ({ name, text }) => {
      const said = [
        ...text.matchAll(/^ \* (Above|Reads|Answers|Counts|Keeps|Status) +(?<=^ \* .{8})\S/gm),
      ].map((match) => match[1]);
      expect(said).toEqual(words);
      expect(text).toMatch(/^ \* Status {2}(wip|alpha|stable)$/m);
      const factory = name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
      expect(text).toContain(`export const ${factory} = (`);
      expect(text).toContain(`function ${factory}(`);
    },
  );

  it.each(filters)('$name counts what its header says, and says what it counts', ({ text }) => {
    const header = /^ \* Counts {2}(.*(?:\n \* {9}.*)*)/m.exec(text)?.[1] ?? '';
    const known = new Set(metrics.map(({ name }) => name));
    expect(metricsIn(header).filter((name) => !known.has(name))).toEqual([]);
    const counted = [...text.matchAll(/'((?:outrigger|process)_[a-z_]+)'/g)].map((match) => match[1]!);
    expect(counted.filter((name) => !metricsIn(header).includes(name))).toEqual([]);
  });

  const life = join(root, 'docs', 'life-of-a-call.md');
  it.runIf(existsSync(life))(
    'has its paragraph in docs/life-of-a-call.md, and there is none without a filter',
    () => {
      // A filter's paragraph begins with its name: `**correlate**`, or has it as its heading: `### correlate`.
      const told = [
        ...readFileSync(life, 'utf8').matchAll(
          /^(?:#{2,4} `?([a-z-]+)`?$|(?:- |\d+\. )?\*\*`?([a-z-]+)`?\*\*)/gm,
        ),
      ];
      const names = new Set(told.map((match) => match[1] ?? match[2]!));
      expect([...names].sort()).toEqual(filters.map(({ name }) => name).sort());
    },
  );
});

describe('the settings in README.md', () => {
  const readme = join(root, 'README.md');
  it.runIf(existsSync(readme))('can be read by a sidecar', async () => {
    const { readSettings } = await import('../sidecar/settings/load.ts');
    const examples = [...readFileSync(readme, 'utf8').matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(
      (match) => match[1]!,
    );
    for (const example of examples) readSettings(example, 'README.md', root);
    expect(examples.length).toBeGreaterThan(0);
  });
});

import { describe, expect, it } from 'vitest';
import { compare } from './compare.ts';
import { go, python } from './tools.ts';

/** Set: the languages must be there, and are installed if need be. Else what is missing is skipped, with its reason. */
const must = process.env['OUTRIGGER_INTEROP'] === '1';
const found = [python(must), go(must)];
const languages = found.filter((each) => typeof each !== 'string');
const missing = found.filter((each) => typeof each === 'string');
for (const reason of missing) console.warn(`interop is skipped in part: ${reason}`);

describe.skipIf(languages.length === 0 && !must)(`clients and servers that we did not write`, () => {
  it('see the same through two sidecars with mutual TLS as directly (npm run interop: two minutes of it)', {
    timeout: 240_000,
  }, async () => {
    if (must) expect(missing).toEqual([]);
    const { comparisons, breaches } = await compare(languages, { seconds: 5, streams: 200 });
    expect(comparisons.filter(({ difference }) => difference !== null)).toEqual([]);
    expect(comparisons.map(({ rounds }) => rounds > 0)).toEqual(comparisons.map(() => true));
    expect(comparisons).toHaveLength((languages.length + 1) ** 2);
    expect(breaches).toEqual([]);
  });
});

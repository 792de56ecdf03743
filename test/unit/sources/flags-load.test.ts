import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { onOff } from '../../support/flag-sets.ts';
import { root } from '../../support/sources.ts';

/** Modules of the evaluator that a process has loaded once it has made these flags. */
const loadedFor = async (flags: object): Promise<number> => {
  const program = `
    import { createRequire } from 'node:module';
    import { readFlags } from './sidecar/settings/read-flags.ts';
    import { flagCompiler } from './sidecar/sources/flags/compile.ts';
    await flagCompiler()(readFlags(${JSON.stringify(JSON.stringify({ flags }))}, 'k'), 'kv k');
    const loaded = Object.keys(createRequire(import.meta.url).cache);
    console.log(loaded.filter((path) => /openfeature|json-logic/.test(path)).length);`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '--eval', program],
    { cwd: root },
  );
  return Number(stdout);
};

it('the evaluator is loaded with the first rule, and not before', async () => {
  expect(await loadedFor({ express: onOff() })).toBe(0);
  expect(await loadedFor({ express: onOff({ targeting: { if: [true, 'on'] } }) })).toBeGreaterThan(0); // control
});

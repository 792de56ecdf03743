import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const place = mkdtempSync(join(tmpdir(), 'outrigger-launcher-'));
afterAll(() => rmSync(place, { recursive: true }));

test('the command starts the program with its flags and words, through the link that npm makes', () => {
  const launcher = join(place, 'package', 'bin', 'outrigger');
  const program = join(place, 'package', 'dist', 'sidecar', 'cli', 'main.js');
  for (const file of [launcher, program]) mkdirSync(dirname(file), { recursive: true });
  cpSync(fileURLToPath(new URL('../../../bin/outrigger', import.meta.url)), launcher);
  chmodSync(launcher, 0o755);
  writeFileSync(program, 'console.log(JSON.stringify([process.execArgv, process.argv.slice(2)]))');
  const link = join(place, 'outrigger');
  symlinkSync(launcher, link);
  const said = execFileSync(link, ['call', '-d', '{ "a b": 1 }', ''], { encoding: 'utf8' });
  expect(JSON.parse(said)).toEqual([['--max-semi-space-size=8'], ['call', '-d', '{ "a b": 1 }', '']]);
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../../support/sources.ts';

it('an app runs to its end though nobody reads what run says', async () => {
  const main = join(root, 'sidecar/cli/main.ts');
  const app = [process.execPath, '-e', 'process.exit(7)'];
  const words = ['run', '--service', 'orders', '--consul', 'http://127.0.0.1:1', '--', ...app];
  const run = spawn(process.execPath, ['--import', 'tsx', main, ...words], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  // Before the first line, so that each of them breaks.
  run.stderr.destroy();
  expect(await once(run, 'exit')).toEqual([7, null]);
});

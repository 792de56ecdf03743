import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { python } from '../../interop/tools.ts';
import { readQuickStart, runQuickStart, whyNoQuickStart } from '../../support/quick-start.ts';
import { consulVersion } from '../../support/real-consul.ts';
import { root } from '../../support/sources.ts';

const found = python(process.env['OUTRIGGER_INTEROP'] === '1');
const noConsul = consulVersion() === null ? 'consul is not on PATH' : null;
const why = noConsul ?? whyNoQuickStart() ?? (typeof found === 'string' ? found : null);
const quickStart = readQuickStart('Quick start');
if (why !== null) console.log(`the quick start is not run: ${why}`);

describe('the quick start in README.md', () => {
  it('is there: three files and its commands', () => {
    const { files, script, promise } = quickStart;
    expect([...files.keys()]).toEqual(['inventory.mjs', 'orders.py', 'web.py']);
    expect(script).toContain('outrigger run --service web');
    expect(promise).toContain('"caller": "orders"');
  });

  it.skipIf(why !== null)(
    'does what it says, word for word',
    async () => {
      const tsx = ['--import', import.meta.resolve('tsx')];
      const end = await runQuickStart(
        quickStart,
        {
          outrigger: [process.execPath, ...tsx, join(root, 'sidecar/cli/main.ts')],
          python3: typeof found === 'string' ? [] : [found.server[0]!],
        },
        100_000,
      );
      expect(end.output, end.errors).toContain(`${quickStart.promise}\n`);
      expect(end.output).toContain('nothing found');
      expect(end.code, end.errors).toBe(0);
    },
    120_000,
  );
});

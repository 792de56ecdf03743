import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { runProcess } from '../../support/processes.ts';
import { type Install, runQuickStart, whyNoQuickStart } from '../../support/quick-start.ts';
import { root } from '../../support/sources.ts';

const shop = join(root, 'examples/shop');
const why = whyNoQuickStart();
if (why !== null) console.log(`the steps of the shop are not run: ${why}`);

/** The examples in a folder of their own, and the package as npm would have put it there. */
const install: Install = (folder) => {
  cpSync(shop, join(folder, 'shop'), { recursive: true });
  const modules = join(folder, 'node_modules');
  mkdirSync(modules);
  for (const name of readdirSync(join(root, 'node_modules')))
    if (!name.startsWith('.') && name !== 'outrigger')
      symlinkSync(join(root, 'node_modules', name), join(modules, name));
  symlinkSync(root, join(modules, 'outrigger'));
};

const receipt = { sku: 'oar', left: 99, cents: 250 };

describe.skipIf(why !== null)('from one program to services, step by step', () => {
  beforeAll(async () => {
    await runProcess(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b', root], 120_000);
  }, 120_000);

  const run = async (step: string): Promise<readonly Record<string, unknown>[]> => {
    const script = `set -e\ncd shop/${step}\n${readFileSync(join(shop, step, 'run.sh'), 'utf8')}`;
    const end = await runQuickStart(
      { files: new Map(), script, promise: '' },
      { outrigger: [process.execPath, join(root, 'dist/sidecar/cli/main.js')] },
      100_000,
      install,
    );
    const said = end.output.split('\n').filter((line) => line.startsWith('{"sku"'));
    expect(said.length, end.errors + end.output).toBeGreaterThan(0);
    return said.map((line) => JSON.parse(line) as Record<string, unknown>);
  };

  it.each(['1-functions', '2-interfaces', '3-one-service-out', '4-all-out'])(
    '%s: an order is taken, and says the same',
    async (step) => {
      expect(await run(step)).toEqual([expect.objectContaining(receipt)]);
    },
    120_000,
  );

  it('5-two-instances: one of them dies, and no order is lost', async () => {
    const receipts = await run('5-two-instances');
    expect(receipts).toHaveLength(40);
    for (const { cents } of receipts) expect(cents).toBe(250);
  }, 120_000);
});

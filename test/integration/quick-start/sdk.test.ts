import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Install, readQuickStart, runQuickStart, whyNoQuickStart } from '../../support/quick-start.ts';
import { root } from '../../support/sources.ts';

const section = readQuickStart('In Node: the SDK');
const why = whyNoQuickStart();
if (why !== null) console.log(`the SDK's example is not run: ${why}`);

/** Nodes to run it on: this one, and those that OUTRIGGER_NODES names, with colons between. */
const nodes = [process.execPath, ...(process.env['OUTRIGGER_NODES'] ?? '').split(':').filter(Boolean)];

const run = (command: string, args: readonly string[], cwd: string): string => {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
};

describe.skipIf(why !== null)("the SDK's example in README.md, from the packed package", () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'outrigger-package-'));
    run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b'], root);
    const [tarball = ''] = run('npm', ['pack', '--silent', '--pack-destination', folder], root)
      .trim()
      .split('\n')
      .slice(-1);
    run('tar', ['-xzf', join(folder, tarball)], folder);
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** The package as it was unpacked, and beside it what npm would have installed with it. */
  const install: Install = (app) => {
    const modules = join(app, 'node_modules');
    mkdirSync(modules);
    for (const name of readdirSync(join(root, 'node_modules')))
      if (!name.startsWith('.') && name !== 'outrigger')
        symlinkSync(join(root, 'node_modules', name), join(modules, name));
    run('cp', ['-r', join(folder, 'package'), join(modules, 'outrigger')], app);
  };

  it.each(nodes)(
    'runs as written, in TypeScript and in JavaScript, on %s',
    async (node) => {
      const end = await runQuickStart(
        section,
        {
          node: [node],
          outrigger: [
            'sh',
            '-c',
            `exec '${node}' "$PWD/node_modules/outrigger/dist/sidecar/cli/main.js" "$@"`,
            'outrigger',
          ],
          tsc: [node, join(root, 'node_modules/typescript/bin/tsc')],
        },
        100_000,
        install,
      );
      expect(end.output, end.errors).toContain(`left 2\nleft 1\n${section.promise}\n`);
      expect(end.output).toContain('attempts: 1, the latest at ');
      expect(end.code, end.errors).toBe(0);
    },
    120_000,
  );

  it('costs nothing to import but the SDK: neither grpc-js nor OpenTelemetry is loaded', () => {
    const app = mkdtempSync(join(folder, 'import-'));
    install(app);
    const hook = `import { register } from 'node:module';
      register('data:text/javascript,' + encodeURIComponent(
        'import { writeSync } from "node:fs";' +
        'export const resolve = async (name, context, next) => { const found = await next(name, context); writeSync(1, found.url + "\\\\n"); return found; };'));`;
    const loaded = run(
      process.execPath,
      [
        '--import',
        `data:text/javascript,${encodeURIComponent(hook)}`,
        '--input-type=module',
        '-e',
        "await import('outrigger')",
      ],
      app,
    );
    expect(loaded).toContain('outrigger/dist/sdk/index.js');
    expect(loaded).not.toMatch(/@grpc\/grpc-js|opentelemetry|dist\/sidecar\/(?!core)/);
  });
});

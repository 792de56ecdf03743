import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Command, startCommand } from '../../support/command.ts';
import { eventually } from '../../support/eventually.ts';
import { root } from '../../support/sources.ts';

/** Why the executable cannot be built here; null when it can. */
const missing = ((): string | null => {
  const require = createRequire(import.meta.url);
  for (const tool of ['esbuild', 'postject'])
    try {
      require.resolve(tool);
    } catch {
      return `${tool} is not installed: npm ci installs it`;
    }
  return null;
})();

// Building and starting a file of 100 MB takes its time beside other tests.
vi.setConfig({ testTimeout: 60_000 });

/** Instances whose list is larger than what the sidecar reads on its own loop, 256 KiB. */
const crowd = 400;

const folder = mkdtempSync(join(tmpdir(), 'outrigger-binary-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(missing !== null)(
  `the single executable${missing === null ? '' : ` (skipped: ${missing})`}`,
  () => {
    const file = join(folder, 'built/outrigger');
    /** The only folder on PATH, with nothing but the executable in it. */
    const bin = join(folder, 'bin');
    beforeAll(() => {
      const build = [join(root, 'deploy/binary/build.ts'), '--out', join(folder, 'built')];
      const built = spawnSync(process.execPath, ['--import', 'tsx', ...build], {
        cwd: root,
        encoding: 'utf8',
      });
      if (built.status !== 0) throw new Error(built.stderr);
      mkdirSync(bin);
      symlinkSync(file, join(bin, 'outrigger'));
    }, 120_000);

    const running: Command[] = [];
    afterEach(async () => {
      for (const { process, ended } of running.splice(0).reverse()) {
        process.kill('SIGTERM');
        process.kill('SIGTERM');
        await ended;
      }
    });
    /** A host without Node: nothing of this process's environment but what is given. */
    const outrigger = (...words: string[]): Command => {
      const command = startCommand(
        words,
        { PATH: bin, HOME: folder, XDG_RUNTIME_DIR: folder },
        join(bin, 'outrigger'),
      );
      running.push(command);
      return command;
    };

    it('is one file, with the licences of what is in it beside', () => {
      expect(statSync(file).size).toBeGreaterThan(50_000_000);
      const licences = readFileSync(join(folder, 'built/LICENCES.txt'), 'utf8');
      const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
        dependencies: object;
      };
      // What reads definitions of protobuf-es is for apps, and is loaded from beside them.
      const within = Object.keys(dependencies).filter((name) => name !== '@bufbuild/protobuf');
      for (const name of within) expect(licences).toContain(`\n${name} `);
    });

    it('runs where there is no Node', () => {
      expect(spawnSync('node', ['--version'], { env: { PATH: bin } }).error).toMatchObject({
        code: 'ENOENT',
      });
    });

    it('says its version, and what is wrong with a file', async () => {
      const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
      expect(await outrigger('--version').ended).toEqual({
        code: 0,
        signal: null,
        output: `${version}\n`,
        errors: '',
      });
      const bad = join(folder, 'bad.yaml');
      writeFileSync(bad, 'service: { name: orders, prot: 1 }\n');
      const { code, errors } = await outrigger('sidecar', '--config', bad).ended;
      expect(code).toBe(2);
      expect(errors).toContain("unknown key 'prot' in service (did you mean 'port'?)");
    });

    it('says that the demo is elsewhere', async () => {
      const { code, errors } = await outrigger('demo').ended;
      expect(code).toBe(2);
      expect(errors).toContain('npm ci && npm run demo');
    });

    it('runs the quick start: agent, app with its sidecar, a call, a crash, a drain', async () => {
      const agent = outrigger('agent', '--port', '0');
      const [, consul] = await agent.says(/development agent on (http:\S+)/);
      // The app is by itself: it is no matter of the sidecar what it is written in.
      const shop = fileURLToPath(new URL('../cli/shop.ts', import.meta.url));
      const app = [process.execPath, '--import', createRequire(import.meta.url).resolve('tsx'), shop];
      const control = join(folder, 'control/shop.sock');
      const config = join(folder, 'mesh.yaml');
      writeFileSync(
        config,
        JSON.stringify({ service: { name: 'shop' }, listen: { control: `unix:${control}` } }),
      );
      const run = outrigger(
        ...['run', '--config', config, '--service', 'shop', '--port', '0', '--consul', consul!, '--', ...app],
      );
      await run.says(/shop listens/);
      const asWeb = ['call', '--as', 'web', '--consul', consul!];
      const get = [...asWeb, 'shop', 'shop.v1.Shop/Get', '--request', '{"sku":"oar"}'];
      const answer = { code: 0, output: '{"sku":"oar","caller":"web"}\n' };
      // The app listens before its sidecar has learned its methods and registered it.
      await eventually(async () => (await outrigger(...get).ended).code === 0, 'the first call');
      expect(await outrigger(...get).ended).toMatchObject(answer);

      const [, pid] = await run.says(/"pid":(\d+),.*"event":"the sidecar listens"/);
      process.kill(Number(pid), 'SIGKILL');
      await run.says(/"event":"the sidecar listens again"/);
      await eventually(async () => (await outrigger(...get).ended).code === 0, 'a call after the crash');

      expect(existsSync(control)).toBe(true);
      expect(await outrigger('drain', '--control', control).ended).toMatchObject({ code: 0, errors: '' });
      const services = await (await fetch(`${consul}/v1/agent/services`)).json();
      expect(services).toEqual({});
      run.process.kill('SIGTERM');
      expect(await run.ended).toMatchObject({ code: 4 });
    });

    it('reads large answers of Consul in the thread that it carries', async () => {
      const agent = outrigger('agent', '--port', '0');
      const [, consul] = await agent.says(/development agent on (http:\S+)/);
      for (let nth = 0; nth < crowd; nth++)
        await fetch(`${consul}/v1/agent/service/register`, {
          method: 'PUT',
          body: JSON.stringify({
            ID: `crowd-${nth}-sidecar-proxy`,
            Name: 'crowd-sidecar-proxy',
            Kind: 'connect-proxy',
            Address: '127.0.0.1',
            Port: 1 + nth,
            Meta: { about: 'x'.repeat(400) },
            Proxy: { DestinationServiceName: 'crowd' },
          }),
        });
      const idle = [process.execPath, '-e', 'setInterval(() => {}, 1000)'];
      const run = outrigger('run', '--service', 'web', '--consul', consul!, '--', ...idle);
      const { app, admin } = JSON.parse((await run.says(/\{"event":"listening".*\}/))[0]) as Record<
        string,
        string
      >;
      const proto = fileURLToPath(new URL('../cli/shop.proto', import.meta.url));
      await outrigger('call', '--address', app!, '--proto', proto, 'crowd', 'shop.v1.Shop/Get').ended;
      await eventually(async () =>
        (await (await fetch(`http://${admin}/snapshot`)).text()).includes(`127.0.0.1:${crowd}"`),
      );
      const metrics = await (await fetch(`http://${admin}/metrics`)).text();
      expect(metrics).toMatch(/outrigger_consul_large_answers_total\{[^}]*\} [1-9]/);
    });
  },
);

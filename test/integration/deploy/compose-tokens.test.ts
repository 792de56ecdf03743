import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type Sidecar, startSidecar } from '../../../sidecar/index.ts';
import { loadSettings } from '../../../sidecar/settings/load.ts';
import { deployed } from '../../support/deploy.ts';
import { startEcho } from '../../support/echo.ts';
import { EchoClient } from '../../support/echo-client.ts';
import { consulVersion, startRealConsul } from '../../support/real-consul.ts';
import { root } from '../../support/sources.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-tokens-'));
afterAll(() => rmSync(folder, { recursive: true }));
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
const version = consulVersion();
const skipped = version === null ? ' (skipped: no consul on PATH)' : '';

describe('the tokens that deploy/compose makes', () => {
  it.skipIf(version === null)(
    `are enough for a sidecar, and let web call inventory${skipped}`,
    async () => {
      let token = '';
      const consul = await startRealConsul({
        hcl: 'acl { enabled = true, default_policy = "deny", down_policy = "extend-cache" }',
        bootstrap: async (url) => {
          const answer = await fetch(`${url}/v1/acl/bootstrap`, { method: 'PUT' });
          token = ((await answer.json()) as { SecretID: string }).SecretID;
          return token;
        },
      });
      ends.push(consul.close);
      const setUp = (): ReturnType<typeof spawnSync> =>
        spawnSync('sh', [join(root, 'deploy/compose/consul/setup.sh'), 'inventory', 'web'], {
          encoding: 'utf8',
          env: {
            PATH: process.env['PATH'],
            CONSUL_HTTP_ADDR: consul.url,
            CONSUL_HTTP_TOKEN: token,
            TOKENS: folder,
            OWNER: String(userInfo().uid),
          },
        });
      expect(setUp()).toMatchObject({ status: 0, stderr: '' });
      expect(readdirSync(folder).sort()).toEqual(['inventory', 'web']);
      expect(statSync(join(folder, 'web')).mode & 0o777).toBe(0o600);
      const made = readFileSync(join(folder, 'web'), 'utf8');
      expect(made).toMatch(/^[0-9a-f-]{36}\n$/);
      // Once more, as after a restart: nothing is made twice.
      expect(setUp()).toMatchObject({ status: 0, stderr: '' });
      expect(readFileSync(join(folder, 'web'), 'utf8')).toBe(made);

      const app = await startEcho();
      ends.push(() => app.close());
      const start = async (name: string, words: object): Promise<Sidecar> => {
        const file = join(folder, `${name}.yaml`);
        const consulWords = { url: consul.url, 'token-file': join(folder, name) };
        writeFileSync(
          file,
          JSON.stringify({ ...words, discovery: { consul: consulWords }, 'state-dir': 'none' }),
        );
        const { settings } = loadSettings({ file, freePorts: true });
        const sidecar = await startSidecar(settings);
        ends.push(() => sidecar.close());
        await sidecar.ready;
        return sidecar;
      };
      const shipped = parse(deployed('compose/mesh/inventory.yaml')) as { service: object };
      await start('inventory', {
        ...shipped,
        service: { ...shipped.service, port: app.port },
        // The network of Compose resolves the name of a service, and this host its own.
        advertise: 'localhost',
        listen: { control: 'none' },
      });
      const web = await start('web', { service: { name: 'web' }, listen: { control: 'none' } });
      const client = new EchoClient(web.ports.app, { 'grpc.default_authority': 'inventory' });
      ends.push(() => client.close());
      expect(await client.call('Unary', 'oar')).toMatchObject({ code: status.OK });
      expect(app.seen.at(-1)?.metadata.get('x-outrigger-caller')).toEqual(['web']);
    },
    60_000,
  );
});

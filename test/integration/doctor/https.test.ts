import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consulEnvironment } from '../../../sidecar/cli/consul-options.ts';
import { openConsul } from '../../../sidecar/consul/door.ts';
import { startSidecar } from '../../../sidecar/index.ts';
import { readSettings } from '../../../sidecar/settings/load.ts';
import { clinic } from '../../support/doctor.ts';
import { freePorts } from '../../support/free-ports.ts';
import { stillKit } from '../../support/kit.ts';
import { consulVersion, type RealConsul, startRealConsul } from '../../support/real-consul.ts';

const version = consulVersion();
if (version === null) console.log('consul is not on PATH: HTTPS to a real one is not tried');

const { examine, keep } = clinic();
const folder = mkdtempSync(join(tmpdir(), 'outrigger-https-'));
const file = (name: string): string => join(folder, name);
const tls = (...words: string[]): void => {
  const made = spawnSync('consul', ['tls', ...words], { cwd: folder, encoding: 'utf8' });
  if (made.status !== 0) throw new Error(made.stderr);
};

describe.skipIf(version === null)('a real Consul over HTTPS that asks for a certificate', () => {
  let consul: RealConsul;
  let port: number;
  let env: NodeJS.ProcessEnv;
  beforeAll(async () => {
    tls('ca', 'create');
    tls('cert', 'create', '-server');
    tls('cert', 'create', '-client');
    [port = 0] = await freePorts(1);
    const pem = (name: string): string => JSON.stringify(file(name));
    consul = await startRealConsul({
      hcl: `ports { https = ${port} } verify_incoming_https = true ca_file = ${pem('consul-agent-ca.pem')}
        cert_file = ${pem('dc1-server-consul-0.pem')} key_file = ${pem('dc1-server-consul-0-key.pem')}`,
    });
    env = {
      CONSUL_HTTP_ADDR: `127.0.0.1:${port}`,
      CONSUL_HTTP_SSL: 'true',
      CONSUL_CACERT: file('consul-agent-ca.pem'),
      CONSUL_CLIENT_CERT: file('dc1-client-consul-0.pem'),
      CONSUL_CLIENT_KEY: file('dc1-client-consul-0-key.pem'),
    };
  });
  afterAll(async () => {
    await consul?.close();
    rmSync(folder, { recursive: true });
  });

  const web = 'service: { name: web }\nlisten: { app: 127.0.0.1:0, admin: 127.0.0.1:0, control: none }';
  const causes = async (more: NodeJS.ProcessEnv): Promise<string[]> =>
    (await examine(web, { env: { ...env, ...more } })).causes;

  it('is reached with the variables of Consul alone', async () => {
    expect(await causes({})).toEqual([]);
    expect(await causes({ CONSUL_TLS_SERVER_NAME: 'server.dc1.consul' })).toEqual([]);
    const { settings } = readSettings(web, 'mesh.yaml', folder, { consul: consulEnvironment(env) });
    await keep(await startSidecar(settings)).ready;
  });

  it('is looked up in its cache the same way', async () => {
    const { settings } = readSettings(web, 'mesh.yaml', folder, { consul: consulEnvironment(env) });
    if (settings.discovery.from !== 'consul') throw new Error('the settings name no Consul');
    const door = openConsul(settings.discovery, stillKit());
    const { signal } = new AbortController();
    const names = ['consul', 'web', 'nobody'];
    const looks = names.map((name) => door.connect(name, { signal, mode: 'stale', cached: true }));
    const answers = await Promise.all(looks);
    expect(answers.map(({ value, cachedForMs }) => ({ value, cachedForMs }))).toEqual(
      names.map(() => ({ value: [], cachedForMs: 0 })),
    );
    door.close();
  });

  it('is not believed without its CA, nor under another name', async () => {
    const [unknown] = await causes({ CONSUL_CACERT: '' });
    expect(unknown).toMatch(/^agent: the certificate of the agent is not believed: /);
    const [other] = await causes({ CONSUL_TLS_SERVER_NAME: 'server.dc2.consul' });
    expect(other).toMatch(/^agent: the certificate of the agent is not believed: .*server\.dc2\.consul/);
  });

  it('is reached without its CA where nobody is verified, which is a risk', async () => {
    expect(await causes({ CONSUL_CACERT: '', CONSUL_HTTP_SSL_VERIFY: 'false' })).toEqual([
      expect.stringMatching(/^settings: discovery\.consul\.verify is false/),
    ]);
  });

  it('refuses who shows no certificate', async () => {
    const [refused, ...rest] = await causes({ CONSUL_CLIENT_CERT: '', CONSUL_CLIENT_KEY: '' });
    expect(refused).toBe(`agent: https://127.0.0.1:${port} asks for a certificate, and there is none`);
    expect(rest).toEqual([]);
  });

  it('is told from one that speaks HTTP', async () => {
    const { causes, remedies } = await examine(
      `${web}\ndiscovery: { consul: { url: http://127.0.0.1:${port} } }`,
    );
    expect(causes).toEqual([`agent: http://127.0.0.1:${port} speaks HTTPS alone`]);
    expect(remedies[0]).toContain('write https:// in');
  });
});

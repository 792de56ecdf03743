import { generateKeyPairSync } from 'node:crypto';
import { tmpdir } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Sidecar, startSidecar } from '../../../sidecar/index.ts';
import { readSettings } from '../../../sidecar/settings/load.ts';
import { type EchoApp, startEcho } from '../../support/echo.ts';
import { EchoClient } from '../../support/echo-client.ts';
import { closedAfterEach } from '../../support/kept.ts';
import { consulVersion, type RealConsul, startRealConsul } from '../../support/real-consul.ts';

const version = consulVersion();
if (version === null) console.log('consul is not on PATH: sidecars with a real Consul are skipped');

const keep = closedAfterEach();

/** A sidecar that knows nothing but Consul. */
const join = async (consul: RealConsul, service: string): Promise<Sidecar> => {
  const text = `
service: ${service}
listen: { app: 127.0.0.1:0, admin: 127.0.0.1:0, control: none${service.includes('port') ? ', peers: 127.0.0.1:0' : ''} }
discovery: { consul: { url: ${consul.url} } }
`;
  const sidecar = keep(await startSidecar(readSettings(text, 'mesh.yaml', tmpdir()).settings));
  await sidecar.ready;
  return sidecar;
};

interface Mesh {
  readonly consul: RealConsul;
  readonly apps: readonly EchoApp[];
  readonly client: EchoClient;
}

const startMesh = async (): Promise<Mesh> => {
  const consul = keep(await startRealConsul());
  const apps = [keep(await startEcho()), keep(await startEcho())];
  for (const { port } of apps) await join(consul, `{ name: echo, port: ${port} }`);
  const caller = await join(consul, '{ name: web }');
  const client = keep(new EchoClient(caller.ports.app, { 'grpc.default_authority': 'echo' }));
  // Consul looks at the apps before it lists them.
  const end = Date.now() + 15_000;
  while (caller.endpoints().length < 2 && Date.now() < end) {
    await client.call('Unary', 'm');
    await pause(50);
  }
  expect(caller.endpoints().length).toBe(2);
  return { consul, apps, client };
};

/** Calls four at a time while `work` goes on, and a little longer; answers the codes that were not OK. */
const under = async (
  client: EchoClient,
  work: () => Promise<void>,
): Promise<{ calls: number; bad: unknown[] }> => {
  let going = true;
  let calls = 0;
  const bad: unknown[] = [];
  const one = async (): Promise<void> => {
    while (going) {
      const { code, message } = await client.call('Unary', 'm');
      calls++;
      if (code !== 0) bad.push({ code, message });
      await pause(2);
    }
  };
  const callers = [one(), one(), one(), one()];
  await work();
  going = false;
  await Promise.all(callers);
  return { calls, bad };
};

describe.skipIf(version === null)('sidecars with a real Consul', () => {
  it('stand in it as proxies of their services', async () => {
    const { consul } = await startMesh();
    const answer = await fetch(`${consul.url}/v1/health/connect/echo?passing`);
    const entries = (await answer.json()) as { Service: { Kind: string; Proxy: object } }[];
    expect(entries.map(({ Service }) => Service.Kind)).toEqual(['connect-proxy', 'connect-proxy']);
    expect(entries[0]!.Service.Proxy).toMatchObject({ DestinationServiceName: 'echo' });
  }, 60_000);

  it('lose no call when its authority changes its root', async () => {
    const { consul, client } = await startMesh();
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = privateKey.export({ type: 'sec1', format: 'pem' });
    const { calls, bad } = await under(client, async () => {
      const answer = await fetch(`${consul.url}/v1/connect/ca/configuration`, {
        method: 'PUT',
        body: JSON.stringify({
          Provider: 'consul',
          Config: { LeafCertTTL: '72h', PrivateKey: key, RootCert: '' },
        }),
      });
      expect(answer.status).toBe(200);
      await pause(3000);
    });
    expect(bad).toEqual([]);
    expect(calls).toBeGreaterThan(200);
  }, 60_000);

  it('lose no call when it is killed', async () => {
    const { consul, client } = await startMesh();
    const { calls, bad } = await under(client, async () => {
      await consul.close();
      await pause(3000);
    });
    expect(bad).toEqual([]);
    expect(calls).toBeGreaterThan(200);
  }, 60_000);
});

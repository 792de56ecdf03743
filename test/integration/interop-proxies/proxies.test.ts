import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasEnvoy } from '../../support/envoy.ts';
import { freePorts } from '../../support/free-ports.ts';
import { type BesideProxies, besideProxies } from '../../support/proxies.ts';
import { consulVersion } from '../../support/real-consul.ts';

const version = consulVersion();
if (version === null) console.log("consul is not on PATH: calls with Consul's own proxy are skipped");
const envoy = hasEnvoy();
if (!envoy) console.log('envoy is not on PATH: calls with Envoy are skipped');

const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1));

/** Whom the app of `echo` saw last. */
const caller = ({ app }: BesideProxies): unknown =>
  app.seen.at(-1)?.metadata.get('x-outrigger-caller')[0] ?? null;

describe.skipIf(version === null)("Consul's own proxy", () => {
  let mesh: BesideProxies;
  beforeAll(async () => {
    mesh = await besideProxies(true);
  }, 60_000);
  afterAll(() => mesh.close());

  it('calls us', async () => {
    const [port] = await freePorts(1);
    await mesh.builtIn(['-service', 'builtin-web', '-upstream', `echo:127.0.0.1:${port}`]);
    expect(await mesh.call(port!, 'echo')).toEqual({ code: grpc.status.OK, message: 'OK' });
    expect(caller(mesh)).toBe('builtin-web');
  }, 60_000);

  it('is called by us', async () => {
    const [port] = await freePorts(1);
    const app = await mesh.addApp();
    const words = ['-service', 'builtin', '-service-addr', `127.0.0.1:${app.port}`];
    await mesh.builtIn([...words, '-listen', `127.0.0.1:${port}`, '-register']);
    expect((await mesh.call(portOf(mesh.web.ports.app), 'builtin')).code).toBe(grpc.status.OK);
    expect(app.seen.length).toBe(1);
  }, 60_000);
});

describe.skipIf(!envoy)('Envoy with a leaf of the same CA', () => {
  let mesh: BesideProxies;
  beforeAll(async () => {
    mesh = await besideProxies(version !== null);
  }, 60_000);
  afterAll(() => mesh.close());

  it.each([
    ['TLSv1_2', 'envoy-web-12'],
    ['TLSv1_3', 'envoy-web-13'],
  ] as const)(
    'calls us over %s',
    async (tls, service) => {
      const [port] = (await freePorts(1)) as [number];
      await mesh.envoy(
        service,
        { tls: 'out', to: portOf(mesh.echo.ports.peers!), port, version: tls },
        'echo',
      );
      expect(await mesh.call(port, 'echo')).toEqual({ code: grpc.status.OK, message: 'OK' });
      expect(caller(mesh)).toBe(service);
    },
    60_000,
  );

  it.each([
    ['TLSv1_2', 'envoy-12'],
    ['TLSv1_3', 'envoy-13'],
  ] as const)(
    'is called by us over %s',
    async (tls, service) => {
      const [port] = (await freePorts(1)) as [number];
      const app = await mesh.addApp();
      await mesh.envoy(service, { tls: 'in', to: app.port, port, version: tls }, 'web');
      await mesh.register(service, port);
      expect(await mesh.call(portOf(mesh.web.ports.app), service)).toEqual({
        code: grpc.status.OK,
        message: 'OK',
      });
      expect(app.seen.length).toBe(1);
    },
    60_000,
  );
});

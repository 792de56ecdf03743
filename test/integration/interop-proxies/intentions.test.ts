import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sidecar } from '../../../sidecar/index.ts';
import { timeUntil } from '../../support/at-agent.ts';
import { EchoClient } from '../../support/echo-client.ts';
import { type EnvoyRules, hasEnvoy } from '../../support/envoy.ts';
import { freePorts } from '../../support/free-ports.ts';
import { type BesideProxies, besideProxies } from '../../support/proxies.ts';
import { consulVersion } from '../../support/real-consul.ts';
import { sumOf } from '../../support/sidecars.ts';

const version = consulVersion();
if (version === null) console.log("consul is not on PATH: intentions with Consul's own proxy are skipped");
const envoy = hasEnvoy();
if (!envoy) console.log('envoy is not on PATH: intentions with Envoy are skipped');

const portOf = ({ ports }: Sidecar): number => Number(ports.app.slice(ports.app.lastIndexOf(':') + 1));

/** Proxies of one make beside our sidecars, and callers one call after the other. */
const table = (real: boolean) => {
  const clients: EchoClient[] = [];
  const at = { mesh: {} as BesideProxies, caller };
  beforeAll(async () => {
    at.mesh = await besideProxies(real);
  }, 60_000);
  afterAll(async () => {
    for (const client of clients) client.close();
    await at.mesh.close();
  });
  /** Whoever calls `service` through a port of loopback. */
  function caller(port: number, service: string) {
    const client = new EchoClient(`127.0.0.1:${port}`, { 'grpc.default_authority': service });
    clients.push(client);
    const call = async (): Promise<{ code: grpc.status; message: string }> => {
      const { code, message } = await client.call('Unary', 'm', { deadlineMs: 5000 });
      return { code, message };
    };
    const until = (wanted: grpc.status): Promise<number> =>
      timeUntil(async () => (await call()).code === wanted, `a call of ${service} that ends with ${wanted}`);
    return { call, until };
  }
  return at;
};

const ok = { code: grpc.status.OK, message: 'OK' };

/** Somebody else's proxy of `service`, whose calls to us come in by `port`. */
const comesToUs = async (at: ReturnType<typeof table>, port: number, service: string): Promise<void> => {
  const { mesh } = at;
  const { call, until } = at.caller(port, 'echo');
  // Control: without an intention it passes.
  await until(grpc.status.OK);
  const connections = (): number => sumOf(mesh.echo, 'outrigger_connections_total', 'listener="peers"');
  const before = connections();
  await mesh.intend(service, 'echo', 'deny');
  const refusedMs = await until(grpc.status.PERMISSION_DENIED);
  const reached = mesh.app.seen.length;
  const why = `outrigger echo: '${service}' may not call 'echo': the intention '${service}' to 'echo' denies`;
  expect(await call()).toEqual({ code: grpc.status.PERMISSION_DENIED, message: why });
  expect(mesh.app.seen.length).toBe(reached);
  expect(sumOf(mesh.echo, 'outrigger_denied_total', `caller="${service}"`)).toBeGreaterThan(0);
  await mesh.intend(service, 'echo', 'allow');
  const backMs = await until(grpc.status.OK);
  expect(Math.max(refusedMs, backMs)).toBeLessThan(1000);
  expect(connections()).toBe(before);
  console.log(`${service}: refused after ${refusedMs.toFixed(0)} ms, let in after ${backMs.toFixed(0)} ms`);
};

describe.skipIf(version === null)("an intention, and Consul's own proxy", () => {
  const at = table(true);

  it('that calls us: we refuse the call, on its open connection', async () => {
    const [port] = (await freePorts(1)) as [number];
    await at.mesh.builtIn(['-service', 'builtin-web', '-upstream', `echo:127.0.0.1:${port}`]);
    await comesToUs(at, port, 'builtin-web');
  }, 60_000);

  it('that is called by us: it refuses the connection, and the caller is told by whom and why', async () => {
    const { mesh } = at;
    const [port] = (await freePorts(1)) as [number];
    const app = await mesh.addApp();
    const words = ['-service', 'builtin', '-service-addr', `127.0.0.1:${app.port}`];
    await mesh.builtIn([...words, '-listen', `127.0.0.1:${port}`, '-register']);
    const early = at.caller(portOf(mesh.web), 'builtin');
    await early.until(grpc.status.OK);

    await mesh.intend('web', 'builtin', 'deny');
    await timeUntil(async () => !(await mesh.authorizes('web', 'builtin')), 'the agent that says no');
    const late = at.caller(portOf(await mesh.addWeb()), 'builtin');
    const refused = await late.call();
    expect(refused.code).toBe(grpc.status.UNAVAILABLE);
    expect(refused.message).toMatch(
      new RegExp(
        `^outrigger web: cannot reach 127.0.0.1:${port} of 'builtin': .*: its TLS alert is 'bad certificate': perhaps it does not believe our certificate \\(${await mesh.idOf('web')}, valid until .*\\), or an intention does not let us in$`,
      ),
    );
    // It judges connections when they begin, and never again.
    expect(await early.call()).toEqual(ok);

    await mesh.intend('web', 'builtin', 'allow');
    await late.until(grpc.status.OK);
  }, 60_000);
});

describe.each([
  ['the development agent', false],
  ['a real Consul', true],
])('an intention at %s, and Envoy', (_, real) => {
  if (!envoy || (real && version === null)) return it.skip('that is not at hand');
  const at = table(real);

  it('that calls us: we refuse the call, on its open connection', async () => {
    const [port] = (await freePorts(1)) as [number];
    const to = Number(at.mesh.echo.ports.peers!.split(':').at(-1));
    await at.mesh.envoy('envoy-web', { tls: 'out', to, port, version: 'TLSv1_3' }, 'echo');
    await comesToUs(at, port, 'envoy-web');
  }, 60_000);

  /** The principal that Consul writes for a service: any trust domain of its own, any datacenter. */
  const byPattern = (service: string): EnvoyRules['principal'] => ({
    safe_regex: { regex: `^spiffe://[^/]+/ns/default/dc/[^/]+/svc/${service}$` },
  });
  const byId = async (service: string): Promise<EnvoyRules['principal']> => ({
    exact: await at.mesh.idOf(service),
  });

  it.each([
    ['connections', 'pattern', byPattern],
    ['connections', 'id', byId],
    ['requests', 'pattern', byPattern],
    ['requests', 'id', byId],
  ] as const)(
    'that is called by us, and judges %s by a %s: the caller is told by whom and why',
    async (judges, by, principal) => {
      const { mesh } = at;
      const service = `envoy-${judges}-${by}`;
      const [port] = (await freePorts(1)) as [number];
      const app = await mesh.addApp();
      const proxy = await mesh.envoy(service, { tls: 'in', to: app.port, port, version: 'TLSv1_3' }, 'web');
      await mesh.register(service, port);
      const { call, until } = at.caller(portOf(mesh.web), service);
      // Control: without rules it passes.
      await until(grpc.status.OK);
      const code = judges === 'requests' ? grpc.status.PERMISSION_DENIED : grpc.status.UNAVAILABLE;
      const why =
        judges === 'requests'
          ? /^RBAC: access denied$/
          : new RegExp(
              `^outrigger web: cannot reach 127.0.0.1:${port} of '${service}': .* before its SETTINGS came: .*, or an intention does not let us in$`,
            );
      const refuses = async (rules: EnvoyRules): Promise<void> => {
        await proxy.intend(rules);
        await until(code);
        const reached = app.seen.length;
        // The word of the connection that broke is another than that of the one that did not come about.
        await timeUntil(async () => why.test((await call()).message), 'the reason');
        expect(app.seen.length).toBe(reached);
      };
      await refuses({ judges, action: 'ALLOW', principal: await principal('batch') });
      await proxy.intend({ judges, action: 'ALLOW', principal: await principal('web') });
      await until(grpc.status.OK);
      await refuses({ judges, action: 'DENY', principal: await principal('web') });
    },
    60_000,
  );
});

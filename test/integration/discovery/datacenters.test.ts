import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Sidecar } from '../../../sidecar/index.ts';
import { timeUntil } from '../../support/at-agent.ts';
import { type EchoApp, startEcho } from '../../support/echo.ts';
import type { EchoClient } from '../../support/echo-client.ts';
import { consulVersion } from '../../support/real-consul.ts';
import { sumOf } from '../../support/sidecars.ts';
import { steadily } from '../../support/steady-load.ts';
import { type Datacenter, type TwoDatacenters, twoDatacenters } from '../../support/two-datacenters.ts';

const version = consulVersion();
if (version === null) console.log('consul is not on PATH: failover to another datacenter is skipped');

const resolver = (rest: object) => ({ Kind: 'service-resolver', Name: 'echo', ...rest });
const failover = resolver({ Failover: { '*': { Datacenters: ['dc2'] } } });
const redirect = resolver({ Redirect: { Service: 'echo', Datacenter: 'dc2' } });

describe.skipIf(version === null)(`two datacenters of a real Consul ${version ?? ''}`, () => {
  let both: TwoDatacenters;
  const apps = {} as Record<Datacenter['name'], EchoApp>;
  const callees = {} as Record<Datacenter['name'], Sidecar>;
  let caller: Sidecar;
  let client: EchoClient;
  const closing: { close(): unknown }[] = [];
  const keep = <T extends { close(): unknown }>(each: T): T => {
    closing.push(each);
    return each;
  };
  beforeAll(async () => {
    both = keep(await twoDatacenters());
    for (const { name, mesh } of [both.dc1, both.dc2]) {
      apps[name] = keep(await startEcho());
      callees[name] = await mesh.join({ name: 'echo', port: apps[name].port });
      await timeUntil(async () => (await passing(name)) === 1, `echo in ${name}`);
    }
    // A check of its own, which the test fails: the app goes on to answer, as one that is taken out in time does.
    const services = (await both.dc1.mesh.ask('GET', '/v1/agent/services')) as Record<string, Registered>;
    const { ID } = Object.values(services).find(({ Service }) => Service === 'echo')!;
    const check = { ID: 'disk', Name: 'disk', ServiceID: ID, TTL: '1h', Status: 'passing' };
    await both.dc1.mesh.ask('PUT', '/v1/agent/check/register', check);
    // A young agent that hears of a server tells it nothing for up to three seconds: such a pause is not ours to measure.
    await timeUntil(
      async () => (await told('fail', 0)) + (await told('pass', 1)) < 100,
      'news without a pause',
    );
    caller = await both.dc1.mesh.join({ name: 'web' });
    client = both.dc1.mesh.client(caller);
    await timeUntil(async () => (await where()) === 'dc1', 'the first call');
  }, 60_000);
  afterAll(async () => {
    for (const each of closing.reverse()) await each.close();
  });
  // The next story begins where all is well, and nothing written.
  afterEach(async () => {
    await check('pass');
    await both.dc1.mesh.ask('DELETE', '/v1/config/service-resolver/echo');
    await timeUntil(async () => (await where()) === 'dc1', 'calls to dc1 again');
    // Only what was written has a table.
    await timeUntil(async () => !caller.snapshot().routes.has('echo'), 'no routes');
  });

  interface Registered {
    readonly ID: string;
    readonly Service: string;
  }

  const passing = async (dc: string): Promise<number> =>
    ((await both.dc1.mesh.ask('GET', `/v1/health/connect/echo?passing&dc=${dc}`)) as unknown[]).length;
  const check = (how: 'pass' | 'fail') => both.dc1.mesh.ask('PUT', `/v1/agent/check/${how}/disk`);
  /** Changes the check; how long the catalog took to have `count` instances, in milliseconds. */
  const told = async (how: 'pass' | 'fail', count: number): Promise<number> => {
    await check(how);
    return timeUntil(async () => (await passing('dc1')) === count, `${count} instances that pass`);
  };
  const write = async (entry: object): Promise<void> => {
    await both.dc1.mesh.ask('PUT', '/v1/config', entry);
    await timeUntil(async () => caller.snapshot().routes.has('echo'), 'the routes');
  };
  /** Makes one call, and says in which datacenter it was answered, or how it ended. */
  const where = async (): Promise<string> => {
    const before = apps.dc2.seen.length;
    const { code, message } = await client.call('Unary', 'm');
    if (code !== grpc.status.OK) return `${code}: ${message}`;
    return apps.dc2.seen.length > before ? 'dc2' : 'dc1';
  };

  it('calls go over when the checks of the first fail, and back when they pass, and none fails', async () => {
    await write(failover);
    expect(await where()).toBe('dc1');
    const load = steadily(client, 2);
    const reaches = (dc: Datacenter['name']) => async (): Promise<boolean> => {
      const before = apps[dc].seen.length;
      await new Promise((later) => setTimeout(later, 5));
      return apps[dc].seen.length > before;
    };
    await check('fail');
    const overMs = await timeUntil(reaches('dc2'), 'calls in dc2');
    await new Promise((later) => setTimeout(later, 50));
    const left = apps.dc1.seen.length;
    await new Promise((later) => setTimeout(later, 200));
    expect(apps.dc1.seen.length).toBe(left);
    await check('pass');
    const backMs = await timeUntil(reaches('dc1'), 'calls in dc1');
    await new Promise((later) => setTimeout(later, 200));
    await load.stop();
    expect(load.complaints).toEqual([]);
    expect(load.codes.length).toBeGreaterThan(200);
    expect(Math.max(overMs, backMs)).toBeLessThan(1000);
    console.log(`over after ${overMs.toFixed(0)} ms, back after ${backMs.toFixed(0)} ms`);
  }, 30_000);

  it('without a resolver they go nowhere (control)', async () => {
    await check('fail');
    await timeUntil(async () => (await where()).startsWith('14: '), 'a failed call');
    expect(await where()).toContain("service 'echo' has no instance now, though it had");
  });

  it('a redirect takes all of them to the other', async () => {
    await write(redirect);
    await timeUntil(async () => (await where()) === 'dc2', 'a call in dc2');
    for (let at = 0; at < 20; at++) expect(await where()).toBe('dc2');
  });

  it('each side is known by a certificate of its own datacenter, up to the one root', async () => {
    await write(redirect);
    await timeUntil(async () => (await where()) === 'dc2', 'a call in dc2');
    const names = [caller, callees.dc2].map((sidecar) =>
      sidecar.identity()!.spiffe.replace(/^.*\.consul/, ''),
    );
    expect(names).toEqual(['/ns/default/dc/dc1/svc/web', '/ns/default/dc/dc2/svc/echo']);
    expect(apps.dc2.seen.at(-1)!.metadata.get('x-outrigger-caller')).toEqual(['web']);
  });

  it('a leaf of the second comes with its intermediate, without which nobody believes it (control)', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'outrigger-datacenters-'));
    try {
      const [leaf, roots] = (await Promise.all([
        both.dc2.mesh.ask('GET', '/v1/agent/connect/ca/leaf/batch'),
        both.dc1.mesh.ask('GET', '/v1/agent/connect/ca/roots'),
      ])) as [{ CertPEM: string; PrivateKeyPEM: string }, { Roots: { RootCert: string }[] }];
      const chain = leaf.CertPEM.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g)!;
      expect(chain.length).toBeGreaterThan(1);
      await writeFile(join(directory, 'key'), leaf.PrivateKeyPEM);
      await writeFile(join(directory, 'roots'), roots.Roots.map(({ RootCert }) => RootCert).join(''));
      const codes: number[] = [];
      for (const [file, certificates] of [
        ['chain', chain],
        ['leaf', chain.slice(0, 1)],
      ] as const) {
        await writeFile(join(directory, file), certificates.join('\n'));
        const files = {
          cert: join(directory, file),
          key: join(directory, 'key'),
          ca: join(directory, 'roots'),
        };
        const sidecar = await both.dc1.mesh.join({ name: 'batch' }, { identity: { files } });
        codes.push((await both.dc1.mesh.client(sidecar).call('Unary', 'm')).code);
      }
      expect(codes).toEqual([grpc.status.OK, grpc.status.UNAVAILABLE]);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it('an intention that is written in the first holds in the second', async () => {
    await write(redirect);
    // Control: without it the call passes.
    await timeUntil(async () => (await where()) === 'dc2', 'a call in dc2');
    const rule = { SourceName: 'web', DestinationName: 'echo', Action: 'deny' };
    const { ID } = (await both.dc1.mesh.ask('POST', '/v1/connect/intentions', rule)) as { ID: string };
    const deniedMs = await timeUntil(async () => (await where()).startsWith('7: '), 'the refusal');
    expect(await where()).toBe(
      "7: outrigger echo: 'web' may not call 'echo': the intention 'web' to 'echo' denies",
    );
    expect(sumOf(callees.dc2, 'outrigger_denied_total', 'caller="web"')).toBeGreaterThan(0);
    expect(sumOf(callees.dc1, 'outrigger_denied_total')).toBe(0);
    await both.dc1.mesh.ask('DELETE', `/v1/connect/intentions/${ID}`);
    const passedMs = await timeUntil(async () => (await where()) === 'dc2', 'the way back');
    console.log(`refused in dc2 after ${deniedMs.toFixed(0)} ms, let in after ${passedMs.toFixed(0)} ms`);
  }, 30_000);

  it('calls go on in the second when its Consul is lost, and come back to the first', async () => {
    await write(failover);
    await check('fail');
    await timeUntil(async () => (await where()) === 'dc2', 'a call in dc2');
    await both.dc2.lose();
    const load = steadily(client, 2);
    await new Promise((later) => setTimeout(later, 2000));
    expect(await where()).toBe('dc2');
    await check('pass');
    const backMs = await timeUntil(async () => (await where()) === 'dc1', 'calls in dc1');
    await load.stop();
    expect(load.complaints).toEqual([]);
    expect(backMs).toBeLessThan(1000);
  }, 30_000);
});

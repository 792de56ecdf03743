import { tmpdir } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { startAgent } from '../../../sidecar/consul-dev/index.ts';
import { type Sidecar, startSidecar } from '../../../sidecar/index.ts';
import { readSettings } from '../../../sidecar/settings/load.ts';
import { startEcho } from '../../support/echo.ts';
import { EchoClient } from '../../support/echo-client.ts';
import { closedAfterEach } from '../../support/kept.ts';
import { sumOf } from '../../support/sidecars.ts';

const keep = closedAfterEach();
const free = '127.0.0.1:0';

/** Three instances of `echo`, of which the first stands in zone a, and a caller in that zone. */
const zoned = async (caller: object) => {
  const agent = keep(await startAgent());
  const join = async (service: object, words: object = {}): Promise<Sidecar> => {
    const listen = { app: free, admin: free, control: 'none', ...('port' in service && { peers: free }) };
    const settings = { service, listen, discovery: { consul: { url: agent.url } }, ...words };
    const text = JSON.stringify(settings);
    const sidecar = keep(await startSidecar(readSettings(text, 'mesh.yaml', tmpdir()).settings));
    await sidecar.ready;
    return sidecar;
  };
  const apps = [keep(await startEcho()), keep(await startEcho()), keep(await startEcho())];
  const callees: Sidecar[] = [];
  for (const [at, { port }] of apps.entries())
    callees.push(await join({ name: 'echo', port, meta: { zone: at === 0 ? 'a' : 'b' } }));
  const web = await join({ name: 'web', meta: { zone: 'a' } }, caller);
  const client = keep(new EchoClient(web.ports.app, { 'grpc.default_authority': 'echo' }));
  const end = Date.now() + 20_000;
  while (web.endpoints().length < 3) {
    expect(Date.now()).toBeLessThan(end);
    await client.call('Unary', 'm');
    await pause(20);
  }
  /** How many of so many calls each app saw. */
  const spread = async (calls: number): Promise<number[]> => {
    const before = apps.map(({ seen }) => seen.length);
    for (let at = 0; at < calls; at++) expect((await client.call('Unary', 'm')).code).toBe(0);
    return apps.map(({ seen }, at) => seen.length - before[at]!);
  };
  return { web, callees, spread };
};

describe('zones of Consul', () => {
  it('come first where they are ours, and no call fails when our zone goes', async () => {
    // By load alone, so that a noisy machine does not decide.
    const { web, callees, spread } = await zoned({ balance: 'two-choices' });
    expect(
      web
        .endpoints()
        .map(({ zone }) => zone)
        .sort(),
    ).toEqual(['other', 'other', 'own']);
    expect(await spread(50)).toEqual([50, 0, 0]);
    expect(sumOf(web, 'outrigger_zone_calls_total', 'own')).toBeGreaterThanOrEqual(50);
    await callees[0]!.drain();
    const [gone, one, other] = await spread(60);
    expect(gone).toBeLessThanOrEqual(1);
    expect(Math.min(one!, other!)).toBeGreaterThan(5);
    expect(sumOf(web, 'outrigger_zone_calls_total', 'other')).toBeGreaterThanOrEqual(59);
  }, 60_000);

  it('make no difference where the policy ignores them (control)', async () => {
    const ignoring = { balance: 'round-robin', policies: { echo: { zone: 'ignore' } } };
    const { spread } = await zoned(ignoring);
    expect(await spread(30)).toEqual([10, 10, 10]);
  }, 60_000);
});

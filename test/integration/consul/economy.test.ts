import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { openConsul } from '../../../sidecar/consul/door.ts';
import { startAgent } from '../../../sidecar/consul-dev/index.ts';
import { assemble } from '../../../sidecar/sources/assemble.ts';
import { consulSource } from '../../../sidecar/sources/consul.ts';
import { consulVersion, startRealConsul } from '../../support/real-consul.ts';
import { type SlowLine, slowLine } from '../../support/slow-line.ts';
import { makeKit, until } from '../discovery/live.ts';

type Agent = { readonly url: string; close(): Promise<void> };
const version = consulVersion();
const agents: [string, () => Promise<Agent>, boolean][] = [
  ['the development agent', () => startAgent(), false],
  [`a real Consul ${version ?? '(none on PATH)'}`, startRealConsul, version === null],
];

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const names = Array.from({ length: 40 }, (_, at) => `upstream-${at}`);

const add = async (agent: Agent, service: string, port: number): Promise<void> => {
  const body = JSON.stringify({
    ...{ ID: `${service}-${port}`, Name: `${service}-proxy`, Kind: 'connect-proxy', Port: port },
    ...{ Address: '127.0.0.1', Proxy: { DestinationServiceName: service } },
  });
  expect((await fetch(`${agent.url}/v1/agent/service/register`, { method: 'PUT', body })).status).toBe(200);
};

for (const [name, startOne, skip] of agents) {
  describe.skipIf(skip)(`forty names that are watched at ${name}`, () => {
    const start = async () => {
      const agent = await startOne();
      const line: SlowLine = await slowLine(agent.url);
      const kit = makeKit();
      const door = openConsul({ url: line.url }, kit);
      const stop = new AbortController();
      const source = consulSource({ door, service: 'web', kit, signal: stop.signal });
      const assembly = assemble({ sources: [source], kit });
      ends.push(
        () => agent.close(),
        () => line.close(),
        () => {
          stop.abort();
          assembly.close();
          door.close();
          expect(kit.wheel.size).toBe(0);
        },
      );
      for (const service of names) await add(agent, service, 20_000);
      for (const service of names) assembly.discovery.want(service);
      const known = (): boolean =>
        names.every((service) => assembly.snapshot.value.asked.get(service) === true);
      await until(assembly.snapshot, 'all forty', known);
      return { agent, line, ...assembly };
    };

    it('hold 18 connections at most, and hear within a second of a change to any of them', async () => {
      const { agent, line, snapshot } = await start();
      await pause(1500);
      expect(line.open).toBeLessThanOrEqual(18);
      const late: number[] = [];
      for (const [at, service] of names.entries()) {
        if (at % 4 !== 0) continue;
        const begin = performance.now();
        await add(agent, service, 20_001);
        await until(snapshot, service, ({ services }) => services.get(service)?.endpoints.length === 2);
        late.push(performance.now() - begin);
      }
      expect(Math.max(...late)).toBeLessThan(1000);
      // Each new connection would be one that was not kept alive.
      expect(line.opened).toBeLessThan(40);
    }, 30_000);

    it('would hold 84 if each question hung (control)', async () => {
      const { line } = await start();
      const stop = new AbortController();
      const hanging = names.map((service) =>
        fetch(`${line.url}/v1/health/connect/${service}?index=99999999&wait=30s`, {
          signal: stop.signal,
        }).catch(() => null),
      );
      await pause(500);
      expect(line.open).toBeGreaterThan(names.length);
      stop.abort();
      await Promise.all(hanging);
    }, 30_000);
  });
}

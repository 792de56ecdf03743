import { setTimeout as pause } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { startAgent } from '../../../sidecar/consul-dev/index.ts';
import { type OutageMesh, outageMesh } from '../../support/outage-mesh.ts';
import { consulVersion, startRealConsul } from '../../support/real-consul.ts';
import { atRate, patientMs } from '../../support/steady-load.ts';

type Agent = { readonly url: string; close(): Promise<void> };
const version = consulVersion();
const agents: [string, () => Promise<Agent>, boolean][] = [
  ['the development agent', () => startAgent(), false],
  [`a real Consul ${version ?? '(none on PATH)'}`, startRealConsul, version === null],
];

const ends: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of ends.splice(0).reverse()) await each.close();
});

for (const [name, startOne, skip] of agents) {
  describe.skipIf(skip)(`an instance and its sidecar in ${name}`, () => {
    const start = async (instances = 1): Promise<{ agent: Agent; mesh: OutageMesh }> => {
      const agent = await startOne();
      ends.push(agent);
      const mesh = await outageMesh({ url: agent.url, instances });
      ends.push(mesh);
      return { agent, mesh };
    };
    const ask = async <T>(agent: Agent, path: string): Promise<T> =>
      (await fetch(`${agent.url}/v1${path}`)).json() as Promise<T>;
    const until = async (what: string, is: () => boolean | Promise<boolean>): Promise<number> => {
      const begin = performance.now();
      while (!(await is())) {
        if (performance.now() - begin > 10_000) throw new Error(`never: ${what}`);
        await pause(5);
      }
      return performance.now() - begin;
    };

    it('is called within a second of its registration', async () => {
      const { agent, mesh } = await start();
      const load = atRate(mesh.client, 100, patientMs);
      ends.push({ close: () => load.stop() });
      const adding = mesh.add();
      await until('registered', async () => Object.keys(await ask(agent, '/agent/services')).length === 4);
      const called = await until('called', () => (mesh.apps[1]?.seen.length ?? 0) > 0);
      expect(called).toBeLessThan(1000);
      await adding;
      await load.stop();
      expect(load.complaints).toEqual([]);
    });

    it('hears no call before its app says SERVING, and one within a second after', async () => {
      const { mesh } = await start();
      const load = atRate(mesh.client, 100, patientMs);
      ends.push({ close: () => load.stop() });
      const { app } = await mesh.add({ service: { check: 'grpc' } }, grpc.status.UNAVAILABLE);
      await pause(1500);
      expect([app.seen.length, mesh.seen()]).toEqual([0, 1]);
      app.failing = null;
      // Within one, as `npm run test` alone shows; both cores busy, it may take longer.
      expect(await until('called', () => app.seen.length > 0)).toBeLessThan(3000);
      await load.stop();
      expect(load.complaints).toEqual([]);
    });

    it('leaves in order: out of the lists, then GOAWAY, then out of Consul, and no call is lost', async () => {
      const { agent, mesh } = await start(2);
      const load = atRate(mesh.client, 100, patientMs);
      ends.push({ close: () => load.stop() });
      const held = mesh.client.begin('Slow', 'held');
      await until('held', () => mesh.apps.some(({ seen }) => seen.some(({ path }) => path.endsWith('Slow'))));
      const at = mesh.apps.findIndex(({ seen }) => seen.some(({ path }) => path.endsWith('Slow')));
      const app = mesh.apps[at]!;
      const draining = mesh.callees[at]!.drain();
      const begin = performance.now();
      const outOfList = await until('out of the list', () => mesh.seen() === 1);
      expect(outOfList).toBeLessThan(1000);
      let last = performance.now();
      let calls = app.seen.length;
      while (performance.now() - begin < 1800) {
        if (app.seen.length > calls) last = performance.now();
        calls = app.seen.length;
        await pause(5);
      }
      expect(last - begin).toBeLessThan(1000);
      // What is in flight keeps it in Consul, in maintenance, though nobody calls it any more.
      expect(Object.keys(await ask(agent, '/agent/services'))).toHaveLength(4);
      held.call.cancel();
      await held.ended;
      await draining;
      expect(Object.keys(await ask(agent, '/agent/services'))).toHaveLength(2);
      await load.stop();
      expect(load.complaints).toEqual([]);
    });

    it('is found where it is said to be: another host and port than it listens on', async () => {
      const { agent, mesh } = await start();
      const adding = mesh.add({ advertise: '127.0.0.9:19999' });
      const { sidecar } = await adding;
      type Entry = { Service: { ID: string; Address: string; Port: number } };
      let found: Entry[] = [];
      await until('both', async () => {
        found = await ask<Entry[]>(agent, '/health/connect/echo?passing');
        return found.length === 2;
      });
      const entry = found.find(({ Service }) => Service.Port === 19_999)!;
      expect(entry.Service).toMatchObject({ Address: '127.0.0.9', ID: 'echo-127.0.0.9-19999-sidecar-proxy' });
      expect(sidecar.ports.peers).not.toContain('19999');
    });
  });
}

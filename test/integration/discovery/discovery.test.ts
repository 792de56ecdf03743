import { createServer, type Server } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ConsulDoor, openConsul } from '../../../sidecar/consul/door.ts';
import { type Registration, register } from '../../../sidecar/consul/registration.ts';
import { startAgent } from '../../../sidecar/consul-dev/index.ts';
import type { Kit } from '../../../sidecar/core/kit.ts';
import { consulIdentity } from '../../../sidecar/identity/consul.ts';
import { type Assembly, assemble } from '../../../sidecar/sources/assemble.ts';
import { consulSource } from '../../../sidecar/sources/consul.ts';
import { consulVersion, startRealConsul } from '../../support/real-consul.ts';
import { makeKit, until } from './live.ts';

type Agent = { readonly url: string; close(): Promise<void> };
const version = consulVersion();
const agents: [string, () => Promise<Agent>, boolean][] = [
  ['the development agent', () => startAgent(), false],
  ['the development agent, as Consul 1.8', () => startAgent({ matchIndex: false }), false],
  [`a real Consul ${version ?? '(none on PATH)'}`, startRealConsul, version === null],
];

for (const [name, startOne, skip] of agents) {
  describe.skipIf(skip)(`discovery by ${name}`, () => {
    let agent: Agent;
    let app: Server;
    let port = 0;
    beforeAll(async () => {
      agent = await startOne();
      app = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
      await new Promise((ready) => app.once('listening', ready));
      port = (app.address() as { port: number }).port;
    });
    afterAll(async () => {
      await new Promise((closed) => app.close(closed));
      await agent.close();
    });

    const running: (() => unknown)[] = [];
    afterEach(async () => {
      for (const stop of running.splice(0).reverse()) await stop();
    });

    /** What a sidecar of `service` has of discovery. */
    const sidecar = (service: string): { kit: Kit; door: ConsulDoor; signal: AbortSignal } & Assembly => {
      const kit = makeKit();
      const door = openConsul({ url: agent.url }, kit);
      const stop = new AbortController();
      const { signal } = stop;
      const assembly = assemble({ sources: [consulSource({ door, service, kit, signal })], kit });
      running.push(() => {
        stop.abort();
        assembly.close();
        door.close();
        expect(kit.wheel.size).toBe(0);
      });
      return { kit, door, signal, ...assembly };
    };
    const instance = (
      { door, kit, signal }: ReturnType<typeof sidecar>,
      service: string,
      peers: number,
    ): Registration => {
      const registration = register({
        door,
        kit,
        signal,
        service: { name: service, address: { host: '127.0.0.1', port }, check: 'tcp' },
        proxy: { port: peers, advertise: '127.0.0.1' },
        checkEveryMs: 200,
      });
      running.push(() => registration.deregister());
      return registration;
    };
    const endpoints = ({ snapshot }: Assembly, service: string): string[] =>
      snapshot.value.services.get(service)?.endpoints.map(({ id }) => id) ?? [];

    it('finds instances that come, and loses those that leave or go into maintenance', async () => {
      const caller = sidecar('web');
      caller.discovery.want('inventory');
      await until(caller.snapshot, 'the first answer', ({ asked }) => asked.get('inventory') === false);
      const first = instance(sidecar('inventory'), 'inventory', 15002);
      const second = instance(sidecar('inventory'), 'inventory', 15012);
      await until(caller.snapshot, 'both', () => endpoints(caller, 'inventory').length === 2);
      expect(endpoints(caller, 'inventory')).toEqual(['127.0.0.1:15002', '127.0.0.1:15012']);
      await first.maintenance('stopping');
      await until(caller.snapshot, 'one', () => endpoints(caller, 'inventory').join() === '127.0.0.1:15012');
      await first.deregister();
      const before = performance.now();
      await second.deregister();
      await until(caller.snapshot, 'none', () => endpoints(caller, 'inventory').length === 0);
      expect(performance.now() - before).toBeLessThan(5000);
    });

    it('loses an instance whose app has died while its sidecar lives', async () => {
      const caller = sidecar('web');
      const dying = createServer().listen(0, '127.0.0.1');
      await new Promise((ready) => dying.once('listening', ready));
      const beside = sidecar('fragile');
      const registration = register({
        door: beside.door,
        kit: beside.kit,
        signal: beside.signal,
        service: {
          name: 'fragile',
          address: { host: '127.0.0.1', port: (dying.address() as { port: number }).port },
          check: 'tcp',
        },
        proxy: { port: 15022, advertise: '127.0.0.1' },
        checkEveryMs: 200,
      });
      running.push(() => registration.deregister());
      caller.discovery.want('fragile');
      await until(caller.snapshot, 'the instance', () => endpoints(caller, 'fragile').length === 1);
      await new Promise((closed) => dying.close(closed));
      await until(caller.snapshot, 'its end', () => endpoints(caller, 'fragile').length === 0);
    });

    it('hears of intentions within a second, and holds the default where none matches', async () => {
      const callee = sidecar('orders');
      const { access } = await until(callee.snapshot, 'the default', (now) => now.access.allowByDefault);
      expect(access.intentions).toEqual([]);
      const deny = async (source: string): Promise<void> => {
        const body = JSON.stringify({ SourceName: source, DestinationName: 'orders', Action: 'deny' });
        const answer = await fetch(`${agent.url}/v1/connect/intentions`, { method: 'POST', body });
        expect(answer.status).toBe(200);
      };
      for (const source of ['web', '*', 'batch']) {
        const before = performance.now();
        await deny(source);
        await until(callee.snapshot, source, (now) =>
          now.access.intentions.some(({ from }) => from === source),
        );
        expect(performance.now() - before).toBeLessThan(1500);
      }
      expect(callee.snapshot.value.access.intentions.at(-1)).toEqual({
        from: '*',
        to: 'orders',
        allow: false,
      });
      expect(callee.snapshot.value.access.intentions.length).toBe(3);
    });

    it('proves itself by Consul’s CA', async () => {
      const { door, kit, signal } = sidecar('orders');
      const source = consulIdentity({ door, service: 'orders', kit, signal });
      running.push(() => source.close());
      const identity = await until(source.identity, 'an identity', (now) => now !== null);
      expect(identity!.spiffe).toMatch(/^spiffe:\/\/[0-9a-f-]+\.consul\/ns\/default\/dc\/dc1\/svc\/orders$/);
      expect(identity!.validTo - Date.now()).toBeGreaterThan(3_600_000);
      expect(source.trouble()).toBeNull();
    });

    it('names what is near a mistyped service', async () => {
      const { discovery, snapshot } = sidecar('web');
      discovery.want('no-such-service');
      await until(snapshot, 'the answer', ({ asked }) => asked.has('no-such-service'));
      expect(discovery.describe('no-such-service')).toBe(
        `Consul at ${agent.url} was asked for /v1/health/connect/no-such-service?passing: it knows no such service`,
      );
    });
  });
}

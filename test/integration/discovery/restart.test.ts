import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { openConsul } from '../../../sidecar/consul/door.ts';
import { register } from '../../../sidecar/consul/registration.ts';
import { type DevelopmentAgent, startAgent } from '../../../sidecar/consul-dev/index.ts';
import { consulIdentity } from '../../../sidecar/identity/consul.ts';
import { assemble } from '../../../sidecar/sources/assemble.ts';
import { consulSource } from '../../../sidecar/sources/consul.ts';
import { makeKit, until } from './live.ts';

const running: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of running.splice(0).reverse()) await stop();
});

describe('an agent that is killed', () => {
  it('changes nothing, and when it comes back empty all register again within 5 s, unseen by others', async () => {
    const app = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await new Promise((ready) => app.once('listening', ready));
    running.push(() => new Promise((closed) => app.close(closed)));
    let agent: DevelopmentAgent = await startAgent();
    running.push(() => agent.close());
    const { url, port, authority } = agent;
    const appPort = (app.address() as { port: number }).port;
    const stop = new AbortController();
    const sidecar = (service: string | null) => {
      const kit = makeKit();
      const door = openConsul({ url }, kit);
      const source = consulSource({ door, service, kit, signal: stop.signal });
      const assembly = assemble({ sources: [source], kit });
      running.push(() => {
        stop.abort();
        assembly.close();
        door.close();
        expect(kit.wheel.size).toBe(0);
      });
      return { kit, door, source, ...assembly };
    };
    const registrations = [15002, 15012, 15022].map((peers) => {
      const { kit, door } = sidecar(null);
      const registration = register({
        door,
        kit,
        signal: stop.signal,
        service: { name: 'inventory', address: { host: '127.0.0.1', port: appPort }, check: 'tcp' },
        proxy: { port: peers, advertise: '127.0.0.1' },
        checkEveryMs: 200,
      });
      running.push(() => registration.deregister());
      return registration;
    });
    const caller = sidecar('orders');
    const identity = consulIdentity({
      door: caller.door,
      service: 'orders',
      kit: caller.kit,
      signal: stop.signal,
    });
    running.push(() => identity.close());
    const count = (): number => caller.snapshot.value.services.get('inventory')?.endpoints.length ?? 0;
    caller.discovery.want('inventory');
    await until(caller.snapshot, 'three instances', () => count() === 3);
    await until(identity.identity, 'an identity', (now) => now !== null);
    const seen: number[] = [];
    caller.snapshot.listen(() => seen.push(count()));

    await agent.close();
    await Promise.all(registrations.map(({ registered }) => until(registered, 'the loss', (now) => !now)));
    expect(count()).toBe(3);
    expect(identity.identity.value).not.toBeNull();
    expect(caller.discovery.describe('payments')).toContain(`Consul at ${url} was not asked`);

    agent = await startAgent({ port, authority });
    const back = performance.now();
    await Promise.all(registrations.map(({ registered }) => until(registered, 'the return', (now) => now)));
    expect(performance.now() - back).toBeLessThan(5000);
    const listed = async (): Promise<number> => {
      const answer = await fetch(`${url}/v1/health/connect/inventory?passing`);
      return ((await answer.json()) as unknown[]).length;
    };
    const turn = (): Promise<void> => new Promise((next) => setImmediate(next));
    while ((await listed()) < 3) await turn();
    while (caller.source.trouble() !== null) await turn();
    // A change after all of it shows that the caller's watch lives.
    await registrations[0]!.deregister();
    await until(caller.snapshot, 'the one that left', () => count() === 2, 15_000);
    expect(seen.every((endpoints) => endpoints >= 2)).toBe(true);
    expect(seen.at(-1)).toBe(2);
  }, 40_000);
});

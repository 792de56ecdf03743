import { afterEach, describe, expect, it } from 'vitest';
import { openConsul } from '../../../sidecar/consul/door.ts';
import { type RegistrationOptions, register } from '../../../sidecar/consul/registration.ts';
import { drive } from '../../support/drive.ts';
import { stillKit } from '../../support/kit.ts';
import { json, type ScriptedAgent, scriptedAgent } from './scripted-agent.ts';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

/** An agent that remembers what it was told, as far as a registration needs. */
class Memory {
  readonly services: Map<string, Record<string, unknown>> = new Map();
  readonly maintenance: Set<string> = new Set();
  readonly said: string[] = [];
  down = false;

  script: ScriptedAgent['script'] = (request, response) => {
    if (this.down) return void response.destroy();
    const id = decodeURIComponent(request.path.split('/').at(-1)!);
    const words = request.path.split('/').slice(3, 5).join(' ');
    if (request.method === 'GET') {
      const known = this.services.get(id);
      return known === undefined
        ? json(response, 'unknown', {}, 404)
        : json(response, { ID: id, Service: 'x' });
    }
    const body = (request.body ?? {}) as Record<string, unknown>;
    if (words === 'service register') this.services.set(String(body['ID']), body);
    if (words === 'service deregister') this.services.delete(id);
    if (words === 'service maintenance') {
      if (request.query.get('enable') === 'true') this.maintenance.add(id);
      else this.maintenance.delete(id);
    }
    const check = [...this.services.values()].some((service) =>
      (service['Checks'] as { CheckID: string }[]).some(({ CheckID }) => CheckID === id),
    );
    const unknown = words.startsWith('check') && !check;
    this.said.push(
      `${words} ${words === 'service register' ? body['ID'] : id}${unknown ? ' (unknown)' : ''}`,
    );
    json(response, {}, {}, unknown ? 500 : 200);
  };
}

const start = async (options: Partial<RegistrationOptions> = {}) => {
  const kit = stillKit();
  const memory = new Memory();
  const agent = await scriptedAgent(memory.script);
  const door = openConsul({ url: agent.url }, kit);
  const stop = new AbortController();
  const begin = () =>
    register({
      door,
      kit,
      signal: stop.signal,
      service: { name: 'orders', address: { host: '127.0.0.1', port: 50051 }, check: 'grpc' },
      proxy: { port: 15002, advertise: '10.0.0.5' },
      ...options,
    });
  cleanUp.push(
    () => agent.close(),
    () => door.close(),
    () => stop.abort(),
  );
  return { kit, memory, agent, door, begin, stop };
};

describe('registration', () => {
  it('registers service and proxy as Consul knows sidecars', async () => {
    const { kit, memory, begin } = await start();
    const registration = begin();
    await drive(kit, 'registration', () => registration.registered.value);
    expect([...memory.services.values()]).toEqual([
      {
        ID: 'orders-10.0.0.5-15002',
        Name: 'orders',
        Port: 50051,
        Address: '10.0.0.5',
        Checks: [
          {
            CheckID: 'orders-10.0.0.5-15002:app',
            Name: 'grpc.health.v1 of the app',
            GRPC: '127.0.0.1:50051',
            GRPCUseTLS: false,
            Interval: '1000ms',
            Timeout: '1000ms',
            DeregisterCriticalServiceAfter: '10m',
          },
        ],
      },
      {
        ID: 'orders-10.0.0.5-15002-sidecar-proxy',
        Name: 'orders-sidecar-proxy',
        Kind: 'connect-proxy',
        Port: 15002,
        Address: '10.0.0.5',
        Meta: { outrigger: '1' },
        Proxy: {
          DestinationServiceName: 'orders',
          DestinationServiceID: 'orders-10.0.0.5-15002',
          LocalServiceAddress: '127.0.0.1',
          LocalServicePort: 50051,
        },
        Checks: [
          {
            CheckID: 'orders-10.0.0.5-15002-sidecar-proxy:app',
            Name: 'orders is well',
            AliasService: 'orders-10.0.0.5-15002',
          },
          {
            CheckID: 'orders-10.0.0.5-15002-sidecar-proxy:ttl',
            Name: 'Outrigger says that it is alive',
            TTL: '10000ms',
            DeregisterCriticalServiceAfter: '1m',
          },
        ],
      },
    ]);
    await registration.deregister();
  });

  it('beats at a third of the TTL', async () => {
    const { kit, memory, begin } = await start();
    const registration = begin();
    await drive(kit, 'registration', () => registration.registered.value);
    memory.said.length = 0;
    const from = kit.clock.now();
    await drive(kit, 'three beats', () => memory.said.length === 3);
    expect(kit.clock.now() - from).toBeGreaterThanOrEqual(10_000);
    expect(kit.clock.now() - from).toBeLessThan(11_000);
    expect(new Set(memory.said)).toEqual(new Set(['check pass orders-10.0.0.5-15002-sidecar-proxy:ttl']));
    await registration.deregister();
  });

  it('keeps its ids over a restart, and has others beside a second instance on the host', async () => {
    const { kit, begin } = await start();
    const ids = [begin(), begin()].map(({ proxyId }) => proxyId);
    expect(ids[0]).toBe(ids[1]);
    const other = await start({ proxy: { port: 15012, advertise: null } });
    const registration = other.begin();
    expect(registration.proxyId).toBe('orders-15012-sidecar-proxy');
    await drive(kit, 'a moment', () => true);
  });

  it('registers again within 5 s of an agent that restarted empty', async () => {
    const { kit, memory, begin } = await start();
    const registration = begin();
    await drive(kit, 'registration', () => registration.registered.value);
    memory.services.clear();
    memory.down = true;
    await drive(kit, 'the loss', () => !registration.registered.value);
    kit.pass(30_000);
    memory.down = false;
    const back = kit.clock.now();
    await drive(kit, 'registration', () => registration.registered.value);
    expect(kit.clock.now() - back).toBeLessThan(5000);
    expect([...memory.services.keys()]).toEqual([
      'orders-10.0.0.5-15002',
      'orders-10.0.0.5-15002-sidecar-proxy',
    ]);
    await registration.deregister();
  });

  it('does the same when the agent forgot it between two beats', async () => {
    const { kit, memory, begin } = await start();
    const registration = begin();
    await drive(kit, 'registration', () => registration.registered.value);
    memory.services.clear();
    const lost = kit.clock.now();
    await drive(kit, 'both again', () => memory.services.size === 2);
    expect(kit.clock.now() - lost).toBeLessThan(5000);
    await registration.deregister();
  });

  it('puts back only what is missing, so that the rest does not turn critical', async () => {
    const { kit, memory, begin } = await start();
    const registration = begin();
    await drive(kit, 'registration', () => registration.registered.value);
    memory.services.delete('orders-10.0.0.5-15002');
    memory.said.length = 0;
    await drive(kit, 'the service again', () => memory.services.size === 2);
    expect(memory.said.filter((words) => words.startsWith('service register'))).toEqual([
      'service register orders-10.0.0.5-15002',
    ]);
    await registration.deregister();
  });

  it.each([
    [429, 'is too busy for a beat'],
    [403, 'believes the token no more for a while'],
  ])('is not registered again when the agent says %i because it %s', async (status) => {
    const { kit, agent, memory, begin } = await start();
    const registration = begin();
    await drive(kit, 'registration', () => registration.registered.value);
    let refusals = 0;
    agent.script = (request, response) => {
      if (!request.path.includes('/check/') || refusals >= 3) return memory.script(request, response);
      refusals++;
      json(response, 'not now', {}, status);
    };
    memory.said.length = 0;
    await drive(kit, 'the refusals', () => !registration.registered.value);
    await drive(kit, 'the next good beat', () => registration.registered.value);
    expect(refusals).toBe(3);
    expect(memory.said.filter((words) => words.startsWith('service register'))).toEqual([]);
    await registration.deregister();
  });

  it('leaves the service to whoever registers it', async () => {
    const { kit, memory, begin } = await start({
      service: { name: 'orders', address: null, check: 'none', registeredAs: 'orders-of-nomad' },
    });
    const registration = begin();
    await drive(kit, 'registration', () => registration.registered.value);
    expect([...memory.services.keys()]).toEqual(['orders-10.0.0.5-15002-sidecar-proxy']);
    expect(memory.services.get(registration.proxyId)!['Proxy']).toEqual({
      DestinationServiceName: 'orders',
      DestinationServiceID: 'orders-of-nomad',
    });
    await registration.deregister();
    expect(memory.said.at(-1)).toBe('service deregister orders-10.0.0.5-15002-sidecar-proxy');
  });

  it('vouches by TTL for an app that nobody can check', async () => {
    const { kit, memory, begin } = await start({ service: { name: 'orders', address: null, check: 'grpc' } });
    const registration = begin();
    await drive(kit, 'registration', () => registration.registered.value);
    registration.passing(false, 'the app is starting');
    await drive(kit, 'the word', () => memory.said.at(-1)!.startsWith('check fail'));
    await drive(
      kit,
      'both words',
      () => memory.said.filter((words) => words.startsWith('check fail')).length === 2,
    );
    expect(memory.said.slice(-2)).toEqual([
      'check fail orders-10.0.0.5-15002:ttl',
      'check fail orders-10.0.0.5-15002-sidecar-proxy:ttl',
    ]);
    await registration.deregister();
  });

  it('goes into maintenance, then out of Consul: proxy first', async () => {
    const { kit, memory, begin } = await start();
    const registration = begin();
    await drive(kit, 'registration', () => registration.registered.value);
    await registration.maintenance('the sidecar is stopping');
    expect([...memory.maintenance]).toEqual(['orders-10.0.0.5-15002-sidecar-proxy']);
    await registration.deregister();
    expect(memory.said.slice(-2)).toEqual([
      'service deregister orders-10.0.0.5-15002-sidecar-proxy',
      'service deregister orders-10.0.0.5-15002',
    ]);
    expect(memory.services.size).toBe(0);
    expect(kit.wheel.size).toBe(0);
  });

  it('ends the maintenance of an earlier run that was killed', async () => {
    const { kit, memory, begin } = await start();
    memory.maintenance.add('orders-10.0.0.5-15002-sidecar-proxy');
    const registration = begin();
    await drive(kit, 'registration', () => registration.registered.value);
    expect(memory.maintenance.size).toBe(0);
    await registration.deregister();
  });

  it('leaves within 2 s a step when the agent does not answer', async () => {
    const { kit, agent, begin } = await start();
    const registration = begin();
    await drive(kit, 'registration', () => registration.registered.value);
    agent.script = () => {};
    let left = false;
    void registration.deregister().then(() => {
      left = true;
    });
    const from = kit.clock.now();
    await drive(kit, 'the end', () => left);
    expect(kit.clock.now() - from).toBeLessThan(4200);
  });
});

import { afterEach, describe, expect, it } from 'vitest';
import { callerUri } from '../../../sidecar/consul/caller-uri.ts';
import { openConsul } from '../../../sidecar/consul/door.ts';
import { nearNames } from '../../../sidecar/core/near-names.ts';
import { consulSource } from '../../../sidecar/sources/consul.ts';
import { chainOf } from '../../support/chains.ts';
import { breathe, drive } from '../../support/drive.ts';
import { stillKit } from '../../support/kit.ts';
import { instance, json, scriptedAgent } from '../consul/scripted-agent.ts';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

/** An agent that knows inventory, whose authorize says what `reason` is. */
const start = async (service: string | null = null) => {
  const kit = stillKit();
  const state = {
    instances: { inventory: [instance('10.0.0.1', 15002)] } as Record<string, object[]>,
    intentions: null as object[] | null,
    verdict: { Authorized: false, Reason: 'ACLs deny by default' } as object | null,
    authorize: [] as unknown[],
    changed: () => {},
  };
  let waiting: (() => void)[] = [];
  let index = 10;
  state.changed = () => {
    index++;
    for (const answer of waiting.splice(0)) answer();
  };
  const agent = await scriptedAgent((request, response) => {
    const name = request.path.split('/').at(-1)!;
    const answer = (): void => {
      const headers = { 'x-consul-index': String(index) };
      if (request.path.startsWith('/v1/health/connect/'))
        json(response, state.instances[name] ?? [], headers);
      else if (request.path.startsWith('/v1/discovery-chain/'))
        json(response, { Chain: chainOf(name) }, headers);
      else if (name === 'match') json(response, { [service ?? '']: state.intentions }, headers);
      else if (name === 'services') json(response, { consul: [], inventory: [], stock: [] });
      else if (name === 'authorize') {
        state.authorize.push(request.body);
        if (state.verdict === null) json(response, 'no', {}, 500);
        else json(response, state.verdict);
      } else json(response, 'unknown', {}, 404);
    };
    const at = request.query.get('index');
    if (at !== null && Number(at) >= index) waiting.push(answer);
    else answer();
  });
  const door = openConsul({ url: agent.url }, kit);
  const stop = new AbortController();
  const source = consulSource({ door, service, kit, signal: stop.signal, near: nearNames });
  cleanUp.push(
    () => agent.close(),
    () => door.close(),
    () => {
      stop.abort();
      waiting = [];
    },
  );
  return { kit, state, agent, source, stop };
};

describe('source consul', () => {
  it('watches a name from the first time that it is wanted', async () => {
    const { kit, agent, source } = await start();
    await breathe(20);
    expect(agent.seen.length).toBe(0);
    source.want('inventory');
    source.want('inventory');
    await drive(kit, 'the answer', () => source.slice.value.asked!.get('inventory') === true);
    expect(source.slice.value.services!.get('inventory')).toEqual({
      name: 'inventory',
      origin: 'consul',
      endpoints: [{ id: '10.0.0.1:15002', host: '10.0.0.1', port: 15002, service: 'inventory' }],
    });
    expect(source.slice.value.access).toBeUndefined();
    expect(agent.seen.filter(({ query }) => !query.has('index')).length).toBe(2);
  });

  it('dials native services too, the node where the service names no address, and IPv6 in brackets', async () => {
    const { kit, state, source } = await start();
    state.instances['payments'] = [
      {
        Node: { Address: 'fd00::7' },
        Service: { ID: 'p1', Service: 'payments', Address: '', Port: 8443, Connect: { Native: true } },
      },
      { Node: { Address: '10.0.0.9' }, Service: { ID: 'p2', Service: 'payments', Address: '', Port: 1 } },
    ];
    source.want('payments');
    await drive(kit, 'the answer', () => source.slice.value.services!.has('payments'));
    expect(source.slice.value.services!.get('payments')!.endpoints).toEqual([
      { id: '[fd00::7]:8443', host: 'fd00::7', port: 8443, service: 'payments' },
    ]);
  });

  it('answers about a name that nobody has, with what is near it', async () => {
    const { kit, agent, source } = await start();
    source.want('inventroy');
    expect(source.describe('inventroy')).toContain('has not answered yet');
    await drive(kit, 'the answer', () => source.slice.value.asked!.get('inventroy') === false);
    expect(source.describe('inventroy')).toBe(
      `Consul at ${agent.url} was asked for /v1/health/connect/inventroy?passing: it knows no such service; did you mean inventory?`,
    );
    source.want('stock');
    await drive(kit, 'the answer', () => source.slice.value.asked!.has('stock'));
    expect(source.describe('stock')).toContain('registered, but no instance of it with a sidecar passes');
    expect(agent.seen.filter(({ path }) => path === '/v1/catalog/services').length).toBe(1);
  });

  it('tells of an instance that came, and of the last one that left', async () => {
    const { kit, state, source } = await start();
    const count = (): number => source.slice.value.services!.get('inventory')!.endpoints.length;
    source.want('inventory');
    await drive(kit, 'the answer', () => source.slice.value.services!.has('inventory'));
    state.instances['inventory'] = [instance('10.0.0.1', 15002), instance('10.0.0.2', 15002)];
    state.changed();
    await drive(kit, 'two', () => count() === 2);
    state.instances['inventory'] = [];
    const left = kit.clock.now();
    state.changed();
    await drive(kit, 'none', () => count() === 0);
    expect(kit.clock.now() - left).toBeLessThan(2000);
    expect(source.slice.value.asked!.get('inventory')).toBe(true);
  });

  it('watches 64 made-up names at most, and gives them up when nobody wants them', async () => {
    const { kit, agent, source } = await start();
    source.want('inventory');
    await drive(kit, 'the answer', () => source.slice.value.services!.has('inventory'));
    for (let name = 0; name < 200; name++) source.want(`made-up-${name}`);
    source.want('not a name');
    await drive(kit, 'answers', () => source.slice.value.asked!.size === 65);
    expect(source.slice.value.asked!.get('inventory')).toBe(true);
    expect(agent.seen.some(({ path }) => path.includes('not'))).toBe(false);
    await drive(kit, 'oblivion', () => source.slice.value.asked!.size === 1);
    expect([...source.slice.value.asked!.keys()]).toEqual(['inventory']);
  });

  it('denies while Consul has never answered, then holds its default', async () => {
    const { kit, state, agent, source } = await start('orders');
    expect(source.slice.value.access).toEqual({
      intentions: [],
      allowByDefault: false,
      because: 'Consul has not answered yet',
      awaited: true,
    });
    state.verdict = { Authorized: true, Reason: 'ACLs disabled' };
    await drive(kit, 'the default', () => source.slice.value.access!.allowByDefault);
    expect(source.slice.value.access!.because).toBe('ACLs disabled');
    expect(source.slice.value.access!.awaited).toBeUndefined();
    // Nothing else was asked for it: a sidecar without an identity from Consul may not even have roots to ask for.
    expect(new Set(agent.seen.map(({ path }) => path))).toEqual(
      new Set(['/v1/connect/intentions/match', '/v1/agent/connect/authorize']),
    );
    expect(state.authorize).toEqual([
      {
        Target: 'orders',
        ClientCertURI: callerUri('outrigger-asks-for-the-default'),
        ClientCertSerial: '00',
      },
    ]);
  });

  it('asks for the default with a caller that no intention names, and not at all under a wildcard', async () => {
    const { kit, state, source } = await start('orders');
    const about = (SourceName: string, Action: string) => ({ SourceName, DestinationName: 'orders', Action });
    await drive(kit, 'the default', () => state.authorize.length === 1);
    state.intentions = [about('outrigger-asks-for-the-default', 'allow'), about('web', 'deny')];
    state.changed();
    await drive(kit, 'the intentions', () => source.slice.value.access!.intentions.length === 2);
    expect(state.authorize.at(-1)).toMatchObject({
      ClientCertURI: callerUri('outrigger-asks-for-the-default-'),
    });
    const asked = state.authorize.length;
    state.intentions = [about('web', 'deny'), about('*', 'allow')];
    state.changed();
    await drive(kit, 'the wildcard', () => source.slice.value.access!.intentions.at(-1)?.from === '*');
    expect(state.authorize.length).toBe(asked);
    expect(source.slice.value.access!.intentions).toEqual([
      { from: 'web', to: 'orders', allow: false },
      { from: '*', to: 'orders', allow: true },
    ]);
  });

  it('denies by default when nobody says the default, and what comes to a rule that it cannot read', async () => {
    const { kit, state, source } = await start('orders');
    state.verdict = null;
    state.intentions = [{ SourceName: 'web', DestinationName: 'orders', Permissions: [{}] }];
    state.changed();
    await drive(kit, 'the intentions', () => source.slice.value.access!.intentions.length === 1);
    expect(source.slice.value.access).toMatchObject({
      intentions: [
        {
          from: 'web',
          to: 'orders',
          allow: false,
          permissions: [{ unclear: expect.stringContaining('Action') }],
        },
      ],
      allowByDefault: false,
      because: 'Consul has not said the default yet',
    });
  });

  it('asks for the default of permissions with another service where a rule is about everybody', async () => {
    const { kit, state, source } = await start('orders');
    const about = (SourceName: string, DestinationName: string) => ({ SourceName, DestinationName });
    const Permissions = [{ Action: 'deny', HTTP: { PathExact: '/a.B/C' } }];
    const web = { ...about('web', 'orders'), Permissions };
    const access = () => source.slice.value.access!;
    await drive(kit, 'the default', () => state.authorize.length === 1);
    state.verdict = { Authorized: true, Reason: 'ACLs disabled' };
    state.intentions = [web, { ...about('*', 'orders'), Action: 'deny' }];
    state.changed();
    await drive(kit, 'the default', () => access().allowByDefault);
    expect(state.authorize.at(-1)).toMatchObject({ Target: 'orders-default' });

    state.verdict = null;
    state.changed();
    await drive(kit, 'no default', () => !access().allowByDefault);
    expect(access().because).toMatch(/^Consul does not tell its default: .*500 "no"/);

    const asked = state.authorize.length;
    state.intentions = [web, { ...about('*', '*'), Action: 'allow' }];
    state.changed();
    await drive(kit, 'the wildcard', () => access().intentions.at(-1)?.to === '*');
    expect(access()).toMatchObject({
      allowByDefault: false,
      because: "an intention '*' to '*' hides Consul's default",
    });
    expect(state.authorize.length).toBe(asked);
  });

  it('stops at once, and leaves nothing behind', async () => {
    const { kit, source, stop } = await start('orders');
    source.want('inventory');
    await drive(kit, 'the answer', () => source.slice.value.services!.has('inventory'));
    stop.abort();
    await breathe();
    expect(kit.wheel.size).toBe(0);
    source.want('payments');
    expect(kit.wheel.size).toBe(0);
  });
});

import { afterEach, describe, expect, it } from 'vitest';
import { openConsul } from '../../../sidecar/consul/door.ts';
import { proveRights, type Rights, watchRights } from '../../../sidecar/consul/rights.ts';
import { drive } from '../../support/drive.ts';
import { stillKit } from '../../support/kit.ts';
import { json, type Script, type ScriptedAgent, scriptedAgent } from './scripted-agent.ts';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});
const { signal } = new AbortController();

/** An agent that grants everything; `refused` paths are answered 403, `empty` ones with an empty list. */
const granting =
  (refused: readonly string[] = [], empty: readonly string[] = []): Script =>
  ({ path, body }, response) => {
    const target = (body as { Target?: string } | undefined)?.Target;
    const name = target === undefined ? path : `${path} ${target}`;
    if (refused.some((one) => name.endsWith(one))) return json(response, 'Permission denied', {}, 403);
    if (path.startsWith('/v1/kv/')) return json(response, '', {}, 404);
    return json(response, empty.some((one) => path.endsWith(one)) ? [] : [{}]);
  };

const open = async (script: Script) => {
  const kit = stillKit();
  const agent: ScriptedAgent = await scriptedAgent(script);
  const door = openConsul({ url: agent.url }, kit);
  cleanUp.push(
    () => agent.close(),
    () => door.close(),
  );
  return { agent, door, kit };
};

const missing = async (script: Script, bearer: { service: string | null; registers: boolean }) => {
  const { door } = await open(script);
  return (await proveRights({ door, ...bearer }, signal)).map(({ rule }) => rule);
};
const orders = { service: 'orders', registers: true };

describe('the proof of rights', () => {
  it('asks five questions, none of which writes anything', async () => {
    const { agent, door } = await open(granting());
    expect(await proveRights({ door, ...orders }, signal)).toEqual([]);
    expect(agent.seen.map(({ method, path }) => `${method} ${path}`).sort()).toEqual([
      'GET /v1/catalog/nodes',
      'GET /v1/discovery-chain/consul',
      'GET /v1/kv/outrigger/rights',
      'POST /v1/agent/connect/authorize',
      'POST /v1/agent/connect/authorize',
    ]);
  });

  it('asks for no more than a sidecar does: nothing is registered for a pure caller, nothing signed for nobody', async () => {
    const nothing = granting([' orders-sidecar-proxy', ' orders']);
    expect(await missing(nothing, { service: 'orders', registers: false })).toEqual([
      'service "orders" { policy = "write" }',
    ]);
    expect(await missing(nothing, { service: null, registers: false })).toEqual([]);
  });

  it.each([
    [[' orders'], [], 'service "orders" { policy = "write" }'],
    [[' orders-sidecar-proxy'], [], 'service "orders-sidecar-proxy" { policy = "write" }'],
    [['/discovery-chain/consul'], [], 'service_prefix "" { policy = "read" }'],
    [[], ['/catalog/nodes'], 'node_prefix "" { policy = "read" }'],
    [['/kv/outrigger/rights'], [], 'key_prefix "outrigger/" { policy = "read" }'],
  ])('refused %j, empty %j: %s', async (refused, empty, rule) => {
    expect(await missing(granting(refused, empty), orders)).toEqual([rule]);
  });

  it('is proof enough that there are more nodes than are read', async () => {
    const agent = await scriptedAgent((request, response) =>
      request.path.endsWith('/catalog/nodes')
        ? json(response, 'x'.repeat(2000))
        : granting()(request, response),
    );
    const door = openConsul({ url: agent.url, largestAnswer: 1000 }, stillKit());
    cleanUp.push(
      () => agent.close(),
      () => door.close(),
    );
    expect(await proveRights({ door, ...orders }, signal)).toEqual([]);
  });

  it('names no rule to a token that Consul does not know', async () => {
    const stranger: Script = (_, response) => json(response, 'ACL not found', {}, 403);
    expect(await missing(stranger, orders)).toEqual(['everything']);
  });

  it('is no proof where the agent cannot say', async () => {
    await expect(
      missing((_, response) => json(response, 'No cluster leader', {}, 500), orders),
    ).rejects.toThrow('No cluster leader');
  });
});

describe('rights over time', () => {
  const watch = async (script: Script) => {
    const { agent, door, kit } = await open(script);
    const stop = new AbortController();
    cleanUp.push(() => stop.abort());
    const rights: Rights = watchRights({ ...orders, door, kit, signal: stop.signal, tokenFile: null });
    return { agent, kit, rights };
  };
  const lacking =
    'the ACL token lacks node_prefix "" { policy = "read" }: peers are not found; add the rule to a policy of the token';

  it('are asked for once when all are there', async () => {
    const { agent, kit, rights } = await watch(granting());
    await drive(kit, 'a first proof', () => rights.looked());
    await drive(kit, 'a minute', () => kit.clock.now() > 60_000);
    expect(agent.seen).toHaveLength(5);
    expect(rights.missing()).toEqual([]);
  });

  it('are asked for again while one is missing, until the policy was mended', async () => {
    const { agent, kit, rights } = await watch(granting([], ['/catalog/nodes']));
    await drive(kit, 'a missing rule', () => rights.missing().length > 0);
    expect(rights.missing()).toEqual([lacking]);
    agent.script = granting();
    await drive(kit, 'the rule', () => rights.missing().length === 0);
    expect(kit.clock.now()).toBeGreaterThan(9000);
    expect(agent.seen).toHaveLength(10);
  });

  it('are no reason to wait: not the key, nor an agent that cannot say', async () => {
    const key = await watch(granting(['/kv/outrigger/rights']));
    await drive(key.kit, 'a first proof', () => key.rights.looked());
    expect(key.rights.missing()).toEqual([]);
    const silent = await watch(() => {});
    const begun = silent.kit.clock.now();
    await drive(silent.kit, 'the end of patience', () => silent.rights.looked());
    expect(silent.kit.clock.now() - begun).toBe(3000);
    expect(silent.rights.missing()).toEqual([]);
  });
});

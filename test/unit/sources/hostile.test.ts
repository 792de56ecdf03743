import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { openConsul } from '../../../sidecar/consul/door.ts';
import { assemble } from '../../../sidecar/sources/assemble.ts';
import { consulSource } from '../../../sidecar/sources/consul.ts';
import { drive } from '../../support/drive.ts';
import { stillKit } from '../../support/kit.ts';
import { instance, json, type Script, scriptedAgent } from '../consul/scripted-agent.ts';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

const good = [instance('10.0.0.1', 15002), instance('10.0.0.2', 15002)];

/** A sidecar that knows two instances of inventory, and an agent that may turn bad. */
const start = async () => {
  const kit = stillKit();
  let answer: Script = (_, response) => json(response, good);
  const agent = await scriptedAgent((request, response) => {
    // The first question is answered, the one that hangs waits for the test.
    if (request.query.has('index') && answer === calm) return;
    answer(request, response);
  });
  const calm = answer;
  const door = openConsul({ url: agent.url }, kit);
  const stop = new AbortController();
  const source = consulSource({ door, service: null, kit, signal: stop.signal });
  const { snapshot, discovery, close } = assemble({ sources: [source], kit });
  cleanUp.push(
    () => agent.close(),
    () => door.close(),
    () => close(),
    () => stop.abort(),
  );
  discovery.want('inventory');
  const ids = (): string[] => snapshot.value.services.get('inventory')?.endpoints.map(({ id }) => id) ?? [];
  await drive(kit, 'the good answer', () => ids().length === 2);
  /** From now on every question is answered so, those that hang too. */
  const turn = async (script: Script): Promise<void> => {
    answer = script;
    agent.seen.length = 0;
    // The question that hangs came before: it ends with its timeout.
    await drive(kit, 'three questions', () => agent.seen.length >= 3);
  };
  return { kit, agent, ids, turn, snapshot, discovery };
};

const hostile: [string, (response: ServerResponse) => void][] = [
  ['500 with index 1', (response) => json(response, [], { 'x-consul-index': '1' }, 500)],
  ['429', (response) => json(response, 'slow down', {}, 429)],
  ['403', (response) => json(response, 'Permission denied', {}, 403)],
  ['an empty list at index 0', (response) => json(response, [], { 'x-consul-index': '0' })],
  ['index -1', (response) => json(response, [], { 'x-consul-index': '-1' })],
  ['index 10^30', (response) => json(response, [], { 'x-consul-index': `1${'0'.repeat(30)}` })],
  ['HTML', (response) => void response.end('<html>captive portal</html>')],
  ['a body above 8 MiB', (response) => void response.end(`[${' '.repeat(8 * 1024 * 1024)}]`)],
  [
    'a body that breaks off',
    (response) => {
      response.writeHead(200, { 'content-length': '100', 'x-consul-index': '11' });
      response.write('[');
      setImmediate(() => response.destroy());
    },
  ],
  ['null', (response) => json(response, null)],
  ['another service', (response) => json(response, [instance('10.0.0.9', 15002, 'payments')])],
  ['port 70000', (response) => json(response, [instance('10.0.0.3', 70000)])],
  ['port 0', (response) => json(response, [instance('10.0.0.3', 0)])],
  ['the address of the cloud’s credentials', (response) => json(response, [instance('169.254.169.254', 80)])],
  ['the same in hexadecimal', (response) => json(response, [instance('0xA9FEA9FE', 80)])],
  ['the same as IPv6', (response) => json(response, [instance('::ffff:169.254.169.254', 80)])],
  ['the unspecified address', (response) => json(response, [instance('0.0.0.0', 15002)])],
];

describe('a hostile or broken Consul', () => {
  it.each(hostile)(
    'changes nothing by answering %s, and is believed again when it is well',
    async (_, answer) => {
      const { kit, ids, turn, snapshot } = await start();
      const { version } = snapshot.value;
      await turn((_request, response) => answer(response));
      expect(ids()).toEqual(['10.0.0.1:15002', '10.0.0.2:15002']);
      expect(snapshot.value.version).toBe(version);
      await turn((_request, response) => json(response, [...good, instance('10.0.0.3', 15002)]));
      await drive(kit, 'the third instance', () => ids().length === 3);
    },
  );

  it('loses its bad entries, not its good ones, and each is counted once', async () => {
    const { kit, ids, turn } = await start();
    await turn((_request, response) =>
      json(response, [good[0], instance('169.254.169.254', 80), instance('10.0.0.4', 70000)]),
    );
    await drive(kit, 'the other list', () => ids().length === 1);
    expect(ids()).toEqual(['10.0.0.1:15002']);
    expect(kit.meter.count('outrigger_addresses_refused_total', 'link-local').value).toBe(1);
    expect(kit.meter.count('outrigger_addresses_refused_total', 'port').value).toBe(1);
  });

  it('would be believed if its answer were a plain list (control)', async () => {
    const { kit, ids, turn } = await start();
    await turn((_request, response) => json(response, [instance('10.0.0.9', 15002)]));
    await drive(kit, 'the other list', () => ids()[0] === '10.0.0.9:15002');
  });

  it('says in words why a name has no answer', async () => {
    const { kit, agent, turn, discovery } = await start();
    await turn((_request, response) => json(response, 'rate limit', {}, 429));
    discovery.want('payments');
    await drive(kit, 'an answer', () => discovery.describe('payments').includes('429'));
    expect(discovery.describe('payments')).toBe(
      `Consul at ${agent.url} was asked for /v1/health/connect/payments?passing and did not answer (Consul at ${agent.url}: GET /v1/health/connect/payments: 429 "rate limit")`,
    );
  });
});

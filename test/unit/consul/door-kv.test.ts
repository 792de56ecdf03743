import { afterEach, describe, expect, it } from 'vitest';
import { openConsul } from '../../../sidecar/consul/door.ts';
import { stillKit } from '../../support/kit.ts';
import { json, type Script, scriptedAgent } from './scripted-agent.ts';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

const start = async (script: Script) => {
  const agent = await scriptedAgent(script);
  const door = openConsul({ url: agent.url }, stillKit());
  cleanUp.push(
    () => agent.close(),
    () => door.close(),
  );
  const ask = (index?: bigint) =>
    door.kv('outrigger/policy/', {
      signal: new AbortController().signal,
      mode: 'stale',
      index,
      waitMs: 1000,
    });
  return { agent, ask };
};

describe('the keys below a prefix', () => {
  it('come with their values, however the prefix is spelt on the way', async () => {
    const { agent, ask } = await start((_, response) =>
      json(response, [
        { Key: 'outrigger/policy/*', Value: 'e30=', Flags: 0, LockIndex: 0, ModifyIndex: 9 },
        { Key: 'outrigger/policy/empty', Value: null },
      ]),
    );
    const { value, index } = await ask(9n);
    expect(value).toEqual([
      { Key: 'outrigger/policy/*', Value: 'e30=' },
      { Key: 'outrigger/policy/empty', Value: null },
    ]);
    expect(index).toBe(10n);
    const [seen] = agent.seen;
    expect(decodeURIComponent(seen!.path)).toBe('/v1/kv/outrigger/policy/');
    expect(Object.fromEntries(seen!.query)).toMatchObject({ stale: '1', index: '9', wait: '1000ms' });
    expect(seen!.query.has('recurse')).toBe(true);
  });

  it('may be none: 404 is an answer, with an index to hang from', async () => {
    const { ask } = await start((_, response) => {
      response.writeHead(404, { 'x-consul-index': '77' });
      response.end();
    });
    expect(await ask()).toMatchObject({ value: [], index: 77n });
  });

  it('control: the 404 of somebody who is not Consul is none', async () => {
    const { ask } = await start((_, response) => {
      response.writeHead(404, { 'content-type': 'text/html' });
      response.end('<h1>not found</h1>');
    });
    await expect(ask()).rejects.toMatchObject({ failure: 'status', status: 404 });
  });

  it.each([[[{ Value: 'e30=' }]], [{}], [[{ Key: 1, Value: null }]]])('are checked: %j', async (answer) => {
    const { ask } = await start((_, response) => json(response, answer));
    await expect(ask()).rejects.toMatchObject({ failure: 'garbage' });
  });
});

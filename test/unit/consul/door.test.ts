import { setMaxListeners } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { ConsulSettings } from '../../../sidecar/consul/client.ts';
import { type ConsulDoor, openConsul, type Question } from '../../../sidecar/consul/door.ts';
import { ConsulError } from '../../../sidecar/consul/errors.ts';
import { breathe, drive } from '../../support/drive.ts';
import { stillKit } from '../../support/kit.ts';
import { instance, json, type Script, type ScriptedAgent, scriptedAgent } from './scripted-agent.ts';

const { signal } = new AbortController();
const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

const open = async (
  script: Script,
  settings: Partial<ConsulSettings> = {},
): Promise<{ agent: ScriptedAgent; door: ConsulDoor; kit: ReturnType<typeof stillKit> }> => {
  const kit = stillKit();
  const agent = await scriptedAgent(script);
  const door = openConsul({ url: agent.url, ...settings }, kit);
  cleanUp.push(
    () => agent.close(),
    () => expect(kit.wheel.size).toBe(0),
    () => door.close(),
  );
  return { agent, door, kit };
};

const failure = async (asked: Promise<unknown>): Promise<ConsulError> => {
  const thrown = await asked.then(
    () => null,
    (error) => error,
  );
  expect(thrown).toBeInstanceOf(ConsulError);
  return thrown;
};

describe('the door to Consul', () => {
  it('asks for passing instances, hanging at an index, and says how far the answer can be trusted', async () => {
    const { agent, door } = await open((_, response) =>
      json(response, [instance('10.0.0.1', 15002)], {
        'x-consul-index': '42',
        'x-consul-lastcontact': '350',
        'x-consul-knownleader': 'false',
      }),
    );
    const answer = await door.connect('inventory', { signal, index: 41n, waitMs: 5000, mode: 'stale' });
    expect(answer).toMatchObject({ index: 42n, lastContactMs: 350, knownLeader: false });
    expect(answer.value[0]!.Service.Address).toBe('10.0.0.1');
    expect(agent.seen[0]!.path).toBe('/v1/health/connect/inventory');
    expect(agent.seen[0]!.query.toString()).toBe('passing=1&stale=1&index=41&wait=5000ms');
  });

  it('escapes what it puts into a path', async () => {
    const { agent, door } = await open((_, response) => json(response, {}));
    await door.deregister('a/../b?c', signal);
    expect(agent.seen[0]!.path).toBe('/v1/agent/service/deregister/a%2F..%2Fb%3Fc');
  });

  it('shows its token, and a renewed one from the file with the next question', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'outrigger-'));
    cleanUp.push(() => rm(directory, { recursive: true }));
    const tokenFile = join(directory, 'token');
    await writeFile(tokenFile, 'first\n');
    const { agent, door } = await open((_, response) => json(response, {}), { tokenFile });
    await door.names(signal);
    await writeFile(tokenFile, 'second\n');
    await door.names(signal);
    expect(agent.seen.map(({ token }) => token)).toEqual(['first', 'second']);
    await rm(tokenFile);
    expect((await failure(door.names(signal))).message).toMatch(
      /^discovery.consul.token-file: ENOENT.*; write the token there$/,
    );
  });

  it('refuses an answer above 8 MiB without reading it to the end', async () => {
    const { door } = await open((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const chunk = Buffer.alloc(1024 * 1024, 0x20);
      let written = 0;
      const more = (): void => {
        while (written++ < 50) if (!response.write(chunk)) return void response.once('drain', more);
      };
      more();
    });
    const error = await failure(door.names(signal));
    expect(error.failure).toBe('large');
    expect(error.message).toContain('longer than 8388608 bytes');
  });

  it('would read all of it with a larger bound (control)', async () => {
    const text = `{"a":"${'x'.repeat(9 * 1024 * 1024)}"}`;
    const { door } = await open((_, response) => response.end(text), { largestAnswer: 16 * 1024 * 1024 });
    expect(await door.names(signal)).toEqual(['a']);
  });

  it('refuses at once what announces to be too long', async () => {
    const { door } = await open((_, response) => {
      response.writeHead(200, { 'content-length': String(9 * 1024 * 1024) });
      response.write('[');
    });
    expect((await failure(door.names(signal))).failure).toBe('large');
  });

  it('does not wait for the rest of an answer that broke off', async () => {
    const { door } = await open((_, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('{"a":');
      setImmediate(() => response.destroy());
    });
    const error = await failure(door.names(signal));
    expect(error.failure).toBe('garbage');
    expect(error.message).toContain('broke off');
  });

  it('gives up after 10 s without an answer, or with half of one', async () => {
    const { agent, door, kit } = await open((request, response) => {
      if (request.query.has('stale')) response.write('{');
    });
    const nothing = failure(door.own('a', signal));
    const half = failure(door.names(signal));
    await drive(kit, 'two questions', () => agent.seen.length === 2);
    kit.pass(10_000);
    expect((await nothing).failure).toBe('timeout');
    expect((await half).message).toContain('no answer within 10000 ms');
  });

  it('stops hanging when told to', async () => {
    const { agent, door, kit } = await open(() => {});
    const stop = new AbortController();
    const asked = failure(door.roots({ signal: stop.signal, index: 5n, waitMs: 30_000 }));
    await drive(kit, 'the question', () => agent.seen.length === 1);
    stop.abort();
    expect((await asked).failure).toBe('stopped');
    await breathe();
    expect((await failure(door.roots({ signal: stop.signal }))).failure).toBe('stopped');
    expect(agent.seen.length).toBe(1);
  });

  it.each([
    [
      'HTML',
      (response: Parameters<Script>[1]) => response.end('<html>login</html>'),
      /is not JSON: '<html>login/,
    ],
    ['nothing', (response: Parameters<Script>[1]) => response.end(), /is not JSON/],
    ['another shape', (response: Parameters<Script>[1]) => json(response, [{ Node: 1 }]), /0\.Node/],
    [
      'an index below zero',
      (response: Parameters<Script>[1]) => json(response, [], { 'x-consul-index': '-1' }),
      /X-Consul-Index '-1'/,
    ],
    [
      'an index above 64 bits',
      (response: Parameters<Script>[1]) => json(response, [], { 'x-consul-index': `1${'0'.repeat(30)}` }),
      /X-Consul-Index '10{30}'/,
    ],
  ])('calls %s garbage', async (_, answer, message) => {
    const { door } = await open((_request, response) => answer(response));
    const error = await failure(door.connect('inventory', { signal }));
    expect(error.failure).toBe('garbage');
    expect(error.message).toMatch(message);
  });

  it('takes an index of 0, and none, for no index', async () => {
    const { agent, door } = await open((_, response) => json(response, [], { 'x-consul-index': '0' }));
    expect((await door.connect('inventory', { signal })).index).toBeNull();
    agent.script = (_, response) => response.end('[]');
    expect((await door.connect('inventory', { signal })).index).toBeNull();
  });

  it('names status, cause and fix when a token lacks rights', async () => {
    const { agent, door } = await open((_, response) => {
      response.writeHead(403);
      response.end('Permission denied');
    });
    const error = await failure(door.connect('inventory', { signal }));
    expect(error).toMatchObject({ failure: 'status', status: 403 });
    expect(error.message).toBe(
      `Consul at ${agent.url}: GET /v1/health/connect/inventory: 403 Permission denied; the token lacks the rights for this (discovery.consul.token-file)`,
    );
  });

  it('says where it knocked when nobody is there', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((ready) => server.once('listening', ready));
    const { port } = server.address() as { port: number };
    await new Promise((closed) => server.close(closed));
    const kit = stillKit();
    const door = openConsul({ url: `http://127.0.0.1:${port}` }, kit);
    const error = await failure(door.names(signal));
    expect(error.failure).toBe('refused');
    expect(error.message).toContain(`Consul at http://127.0.0.1:${port}: GET /v1/catalog/services: `);
    expect(error.message).toContain('start an agent there, or set discovery.consul.url');
    door.close();
  });

  it('hangs at the list of intentions when the match has no index, as in 1.8', async () => {
    const { agent, door } = await open((request, response) => {
      if (request.path === '/v1/connect/intentions') return json(response, [], { 'x-consul-index': '77' });
      response.end('{"orders":null}');
    });
    const first = await door.intentions('orders', { signal, mode: 'stale' });
    expect(first).toMatchObject({ value: [], index: 77n });
    agent.seen.length = 0;
    await door.intentions('orders', { signal, mode: 'stale', index: 77n, waitMs: 1000 });
    expect(agent.seen.map(({ path, query }) => `${path}?${query}`)).toEqual([
      '/v1/connect/intentions?stale=1&index=77&wait=1000ms',
      '/v1/connect/intentions/match?by=destination&name=orders&stale=1',
    ]);
  });

  it('holds 20 connections at most: 12 hang, six are slow, one looks, and the beat has one of its own', async () => {
    const { agent, door, kit } = await open((request, response) => {
      if (request.path.startsWith('/v1/agent/check')) json(response, {});
    });
    const stop = new AbortController();
    setMaxListeners(0, stop.signal);
    const many = (question: Partial<Question>): Promise<ConsulError>[] =>
      Array.from({ length: 20 }, (_, place) =>
        failure(door.connect(`s${place}`, { signal: stop.signal, ...question })),
      );
    const hanging = many({ index: 5n, waitMs: 30_000 });
    const first = many({});
    const looks = many({ cached: true });
    const slow = Array.from({ length: 6 }, () => failure(door.names(stop.signal)));
    // All twenty looks come on their connection, one behind the other.
    await drive(kit, 'all questions', () => agent.seen.length === 12 + 4 + 20 + 2);
    await door.beat('orders:ttl', true, 'all is well', signal);
    const beat = agent.seen.at(-1)!;
    expect(`${beat.method} ${beat.path}?${beat.query}`).toBe(
      'PUT /v1/agent/check/pass/orders%3Attl?note=all+is+well',
    );
    expect(new Set(agent.seen.map(({ socket }) => socket)).size).toBe(20);
    await door.beat('orders:ttl', true, '', signal);
    const beats = agent.seen.filter(({ socket }) => socket === beat.socket);
    expect(beats.map(({ method, path }) => `${method} ${path}`)).toEqual(
      Array(2).fill('PUT /v1/agent/check/pass/orders%3Attl'),
    );
    stop.abort();
    await Promise.all([...hanging, ...first, ...looks, ...slow]);
  });
});

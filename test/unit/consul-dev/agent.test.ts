import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { startAgent } from '../../../sidecar/consul-dev/index.ts';
import { developmentAgents, queriesWait } from '../../support/development-agent.ts';
import { stillTime } from './still-time.ts';

const start = developmentAgents();

/** One GET with any Host, without a connection that outlives it. */
const getAs = (port: number, host: string) =>
  new Promise<number>((resolve, reject) => {
    const ask = request({
      host: '127.0.0.1',
      port,
      path: '/v1/status/leader',
      headers: { host },
      agent: false,
    });
    ask.on('response', (answer: IncomingMessage) => {
      answer.resume().on('end', () => resolve(answer.statusCode!));
    });
    ask.on('error', reject).end();
  });

describe('the development agent', () => {
  it('ends blocked queries at once when it closes', async () => {
    const { agent, api } = await start();
    const { index } = await api.get('/v1/health/service/web');
    const held = api.get(`/v1/health/service/web?index=${index}&wait=10m`).catch((error: Error) => error);
    await queriesWait(agent);
    await agent.close();
    expect(await held).toBeInstanceOf(Error);
    expect(agent.waiting).toBe(0);
  });

  it('holds nothing for a client that has gone', async () => {
    const { agent, api } = await start();
    const { index } = await api.get('/v1/kv/a');
    const leaving = new AbortController();
    const held = fetch(`${agent.url}/v1/kv/a?index=${index}`, { signal: leaving.signal }).catch(() => 'gone');
    await queriesWait(agent);
    leaving.abort();
    expect(await held).toBe('gone');
    await queriesWait(agent, 0);
  });

  it('listens on this machine only, unless it is told otherwise', async () => {
    await expect(startAgent({ host: '0.0.0.0' })).rejects.toThrow(
      "host '0.0.0.0' is not loopback, and whoever reaches the agent gets keys from it; use 127.0.0.1, or set allowRemote",
    );
  });

  it('believes only a Host of this machine, so that no web page reaches it under its own name', async () => {
    const { agent } = await start();
    expect(await getAs(agent.port, 'evil.example')).toBe(403);
    expect(await getAs(agent.port, `localhost:${agent.port}`)).toBe(200);
    const remote = await start({ allowRemote: true });
    expect(await getAs(remote.agent.port, 'evil.example')).toBe(200);
  });

  it('says that a port is in use', async () => {
    const { agent } = await start();
    await expect(startAgent({ port: agent.port })).rejects.toThrow('EADDRINUSE');
  });

  it('tells the connection above a client’s limit 429, and no other', async () => {
    const { agent } = await start({ connectionsPerClient: 2 });
    const dial = () => connect(agent.port, '127.0.0.1');
    const [one, two] = [dial(), dial()];
    await Promise.all([one, two].map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    const said = await new Promise<string>((resolve) => {
      let text = '';
      const three = dial();
      three.on('data', (chunk) => {
        text += chunk;
      });
      three.on('error', () => {});
      three.on('close', () => resolve(text));
    });
    expect(said).toMatch(/^HTTP\/1\.1 429 Too Many Requests\r\n/);
    expect([one.destroyed, two.destroyed]).toEqual([false, false]);
    const freed = new Promise((resolve) => one.once('close', resolve));
    one.destroy();
    two.destroy();
    await freed;
  });

  it('refuses a body above half a mebibyte, and takes one of exactly that', async () => {
    const { api } = await start();
    expect((await api.put('/v1/kv/big', 'x'.repeat(512 * 1024))).status).toBe(200);
    expect((await api.put('/v1/kv/big', 'x'.repeat(512 * 1024 + 1))).status).toBe(413);
  });

  it('says what it does not have instead of ignoring it', async () => {
    const { api } = await start();
    const http = await api.put('/v1/agent/service/register', {
      Name: 'x',
      Check: { HTTP: 'http://127.0.0.1', Interval: '1s' },
    });
    expect([http.status, http.text]).toEqual([
      400,
      'Invalid check: the development agent has no HTTP checks; use TTL, TCP, GRPC or AliasService',
    ]);
    const shorthand = await api.put('/v1/agent/service/register', {
      Name: 'x',
      Connect: { SidecarService: {} },
    });
    expect([shorthand.status, shorthand.text]).toEqual([
      400,
      'the development agent knows no Connect.SidecarService; register the connect-proxy itself',
    ]);
  });

  it('adds a sixteenth of the wait at most, by chance', async () => {
    const time = stillTime();
    const { agent, api } = await start({ time });
    const { index } = await api.get('/v1/kv/a');
    const held = api.get(`/v1/kv/a?index=${index}&wait=16s`);
    await queriesWait(agent);
    time.pass(16_499);
    expect(agent.waiting).toBe(1);
    time.pass(1);
    expect((await held).status).toBe(404);
  });

  it('reaps a service long critical on its own', async () => {
    const time = stillTime();
    const { api } = await start({ time });
    await api.put('/v1/agent/service/register', {
      Name: 'web',
      Check: { TTL: '10s', DeregisterCriticalServiceAfter: '1m' },
    });
    time.pass(60_000);
    expect((await api.get('/v1/agent/services')).json()).toHaveProperty('web');
    time.pass(30_000);
    expect((await api.get('/v1/agent/services')).json()).toEqual({});
  });

  it('holds a query for one service by its hash, until it is registered differently', async () => {
    const { agent, api } = await start();
    await api.put('/v1/agent/service/register', { Name: 'web', Port: 1 });
    const hash = (await api.get('/v1/agent/service/web')).headers.get('x-consul-contenthash');
    const held = api.get(`/v1/agent/service/web?hash=${hash}&wait=10m`);
    await queriesWait(agent);
    await api.put('/v1/agent/service/register', { Name: 'web', Port: 1 });
    expect(agent.waiting).toBe(1);
    await api.put('/v1/agent/service/register', { Name: 'web', Port: 2 });
    expect((await held).json().Port).toBe(2);
  });
});

import { X509Certificate } from 'node:crypto';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { type AgentOptions, type DevelopmentAgent, startAgent } from '../../../sidecar/consul-dev/index.ts';
import { createAuthority } from '../../../sidecar/identity/development-ca.ts';
import { apiOf } from '../../contract/consul/api.ts';
import { type StillTime, stillTime } from './still-time.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const start = async (options: AgentOptions = {}) => {
  const agent = await startAgent(options);
  closing.push(agent.close);
  return { agent, api: apiOf(agent.url) };
};

/** Until a query has arrived and waits. */
const waits = async (agent: DevelopmentAgent, count = 1) => {
  while (agent.waiting !== count) await new Promise((resolve) => setImmediate(resolve));
};

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

const certificates = (pem: string) =>
  pem.match(/-----BEGIN[\s\S]*?-----END CERTIFICATE-----/g)!.map((each) => new X509Certificate(each));

/** Whether a chain that a peer presents leads to the root, link by link. */
const leadsTo = (pem: string, root: string): boolean => {
  const trusted = new X509Certificate(root);
  const [leaf, ...between] = certificates(pem);
  let here = leaf!;
  for (;;) {
    if (here.verify(trusted.publicKey)) return true;
    const next = between.shift();
    if (next === undefined || !here.verify(next.publicKey)) return false;
    here = next;
  }
};

describe('the development agent', () => {
  it('ends blocked queries at once when it closes', async () => {
    const { agent, api } = await start();
    const { index } = await api.get('/v1/health/service/web');
    const held = api.get(`/v1/health/service/web?index=${index}&wait=10m`).catch((error: Error) => error);
    await waits(agent);
    await agent.close();
    expect(await held).toBeInstanceOf(Error);
    expect(agent.waiting).toBe(0);
  });

  it('holds nothing for a client that has gone', async () => {
    const { agent, api } = await start();
    const { index } = await api.get('/v1/kv/a');
    const leaving = new AbortController();
    const held = fetch(`${agent.url}/v1/kv/a?index=${index}`, { signal: leaving.signal }).catch(() => 'gone');
    await waits(agent);
    leaving.abort();
    expect(await held).toBe('gone');
    await waits(agent, 0);
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
    await waits(agent);
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
    await waits(agent);
    await api.put('/v1/agent/service/register', { Name: 'web', Port: 1 });
    expect(agent.waiting).toBe(1);
    await api.put('/v1/agent/service/register', { Name: 'web', Port: 2 });
    expect((await held).json().Port).toBe(2);
  });
});

describe('the development agent’s certificates', () => {
  it('change at once with the root, and are believed by who knows either root until the old one is dropped', async () => {
    const { agent, api } = await start();
    const first = (await api.get('/v1/connect/ca/roots')).json();
    const leaf = await api.get('/v1/agent/connect/ca/leaf/web');
    const held = api.get(`/v1/agent/connect/ca/leaf/web?index=${leaf.index}&wait=10m`);
    const heldRoots = api.get('/v1/agent/connect/ca/roots?index=1000&wait=10m').catch(() => null);
    await waits(agent, 2);
    await agent.rotateRoot();
    const next = await held;
    expect(next.index).toBeGreaterThan(leaf.index);
    const roots = (await api.get('/v1/connect/ca/roots')).json();
    expect(roots.Roots).toHaveLength(2);
    expect(roots.Roots.map((root: { Active: boolean }) => root.Active)).toEqual([false, true]);
    const [old, active] = roots.Roots.map((root: { RootCert: string }) => root.RootCert);
    expect(old).toBe(first.Roots[0].RootCert);
    const pem = next.json().CertPEM;
    expect([leadsTo(pem, old), leadsTo(pem, active)]).toEqual([true, true]);
    expect([leadsTo(leaf.json().CertPEM, old), leadsTo(leaf.json().CertPEM, active)]).toEqual([true, false]);
    agent.dropOldRoots();
    expect((await api.get('/v1/connect/ca/roots')).json().Roots).toHaveLength(1);
    const last = (await api.get('/v1/agent/connect/ca/leaf/web')).json().CertPEM;
    expect([leadsTo(last, old), leadsTo(last, active)]).toEqual([false, true]);
    await agent.close();
    await heldRoots;
  });

  it('stay bounded through many changes of the root, each believed by who knows any listed root', async () => {
    const { agent, api } = await start();
    for (let change = 0; change < 10; change++) await agent.rotateRoot();
    const roots = (await api.get('/v1/connect/ca/roots')).json().Roots;
    expect(roots).toHaveLength(4);
    const pem = (await api.get('/v1/agent/connect/ca/leaf/web')).json().CertPEM;
    expect(roots.map((root: { RootCert: string }) => leadsTo(pem, root.RootCert))).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(certificates(pem)).toHaveLength(4);
  });

  it('are made anew at three quarters of their life, when chance is in the middle', async () => {
    const time: StillTime = stillTime();
    const { agent, api } = await start({ time, leafTtlMs: 100_000 });
    const leaf = await api.get('/v1/agent/connect/ca/leaf/web');
    const held = api.get(`/v1/agent/connect/ca/leaf/web?index=${leaf.index}&wait=10m`);
    await waits(agent);
    time.pass(74_999);
    expect(agent.waiting).toBe(1);
    time.pass(1);
    const next = (await held).json();
    expect(next.SerialNumber).not.toBe(leaf.json().SerialNumber);
    expect(Date.parse(next.ValidBefore) - Date.parse(leaf.json().ValidBefore)).toBe(75_000);
  });

  it('are the same for all who ask at once', async () => {
    const { api } = await start();
    const all = await Promise.all(Array.from({ length: 5 }, () => api.get('/v1/agent/connect/ca/leaf/web')));
    expect(new Set(all.map((answer) => answer.json().CertPEM)).size).toBe(1);
  });

  it('refuse a life that certificates cannot count', async () => {
    await expect(startAgent({ leafTtlMs: 500 })).rejects.toThrow('leafTtlMs 500 is below 1000');
  });

  it('come from the authority of an agent before, when it is handed over', async () => {
    const authority = await createAuthority({ trustDomain: 'kept.consul' });
    const { agent, api } = await start({ authority });
    expect(agent.trustDomain).toBe('kept.consul');
    expect((await api.get('/v1/connect/ca/roots')).json().Roots[0].RootCert).toBe(authority.root);
  });
});

describe('the development agent’s intentions', () => {
  const caller = {
    Target: 'db',
    ClientCertURI: 'spiffe://x/ns/default/dc/dc1/svc/web',
    ClientCertSerial: 'a',
  };

  it('fall back on the default that it was started with', async () => {
    const { api } = await start({ defaultAllow: false });
    expect((await api.post('/v1/agent/connect/authorize', caller)).json()).toEqual({
      Authorized: false,
      Reason: 'Default behavior configured by ACLs',
    });
  });

  it('are written by their names too, as since 1.9', async () => {
    const { api } = await start();
    const exact = '/v1/connect/intentions/exact?source=web&destination=db';
    expect((await api.get(exact)).status).toBe(404);
    expect((await api.put(exact, { Action: 'deny' })).json()).toBe(true);
    const first = (await api.get(exact)).json();
    expect((await api.put(exact, { Action: 'allow', Description: 'again' })).json()).toBe(true);
    expect((await api.get(exact)).json()).toMatchObject({
      ID: first.ID,
      Action: 'allow',
      Description: 'again',
    });
    expect((await api.delete(exact)).json()).toBe(true);
    expect((await api.get('/v1/connect/intentions')).json()).toEqual([]);
  });

  it('tell the index of a match as newer agents do, or keep it back as 1.8 does', async () => {
    const match = '/v1/connect/intentions/match?by=destination&name=db';
    const newer = await start();
    expect((await newer.api.get(match)).index).toBeGreaterThan(0);
    const older = await start({ matchIndex: false });
    expect((await older.api.get(match)).headers.get('x-consul-index')).toBeNull();
    const { index } = await older.api.get('/v1/connect/intentions');
    const held = older.api.get(`${match}&index=${index}&wait=10m`);
    await waits(older.agent);
    await older.api.post('/v1/connect/intentions', {
      SourceName: '*',
      DestinationName: 'db',
      Action: 'deny',
    });
    expect((await held).json().db).toHaveLength(1);
  });
});

describe('a gRPC check', () => {
  const serveHealth = async (status: () => number) => {
    const server = new grpc.Server();
    server.addService(
      {
        Check: {
          path: '/grpc.health.v1.Health/Check',
          requestStream: false,
          responseStream: false,
          requestSerialize: (bytes: Buffer) => bytes,
          requestDeserialize: (bytes: Buffer) => bytes,
          responseSerialize: (bytes: Buffer) => bytes,
          responseDeserialize: (bytes: Buffer) => bytes,
        },
      },
      {
        Check: (call: { request: Buffer }, reply: grpc.sendUnaryData<Buffer>) =>
          call.request.toString('utf8', 2) === 'orders.Orders'
            ? reply(null, Buffer.from([0x08, status()]))
            : reply({ code: grpc.status.NOT_FOUND, details: 'unknown service' }),
      },
    );
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    return { port, stop: () => server.forceShutdown() };
  };

  it('follows what the app says of itself, and its absence', async () => {
    let status = 1;
    const app = await serveHealth(() => status);
    const { api } = await start();
    const check = (id: string, target: string) => ({ CheckID: id, GRPC: target, Interval: '20ms' });
    await api.put('/v1/agent/service/register', {
      Name: 'orders',
      Checks: [
        check('named', `127.0.0.1:${app.port}/orders.Orders`),
        check('other', `127.0.0.1:${app.port}/other`),
      ],
    });
    const until = async (id: string, wanted: string) => {
      const found = await api.until('/v1/agent/checks', (answer) => answer.json()[id].Status === wanted);
      return found.json()[id].Output;
    };
    expect(await until('named', 'passing')).toBe(`gRPC check 127.0.0.1:${app.port}/orders.Orders: success`);
    await api.until('/v1/agent/checks', (answer) => answer.json()['other'].Output !== '');
    expect(await until('other', 'critical')).toBe('rpc error: code = NotFound desc = unknown service');
    status = 2;
    expect(await until('named', 'critical')).toContain('serving status: 2');
    status = 1;
    await until('named', 'passing');
    app.stop();
    expect(await until('named', 'critical')).toContain('rpc error: code = Unavailable');
  });

  it('counts as many answers as it was told before it changes its mind', async () => {
    const answers = [1, 2, 2, 1, 2, 2, 2];
    let asked = 0;
    const app = await serveHealth(() => answers[Math.min(asked++, answers.length - 1)]!);
    const { api } = await start();
    await api.put('/v1/agent/service/register', {
      Name: 'orders',
      Check: {
        GRPC: `127.0.0.1:${app.port}/orders.Orders`,
        Interval: '5ms',
        Status: 'passing',
        FailuresBeforeCritical: 2,
      },
    });
    await api.until('/v1/agent/checks', (answer) => answer.json()['service:orders'].Status === 'critical');
    expect(asked).toBeGreaterThanOrEqual(7);
    app.stop();
  });
});

describe('a TCP check', () => {
  it('says that its address has no port', async () => {
    const { api } = await start();
    await api.put('/v1/agent/service/register', {
      Name: 'odd',
      Check: { TCP: 'no-port-here', Interval: '1h' },
    });
    const found = await api.until('/v1/agent/checks', (answer) => answer.json()['service:odd'].Output !== '');
    expect(found.json()['service:odd'].Output).toContain('missing or wrong port in address');
  });
});

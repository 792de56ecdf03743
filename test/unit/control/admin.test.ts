import { request as send } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type Admin, startAdmin, startHealth } from '../../../sidecar/control/admin.ts';
import type { SidecarView } from '../../../sidecar/control/view.ts';
import { silent } from '../../../sidecar/core/log.ts';
import { Meter } from '../../../sidecar/core/meter.ts';
import { metrics } from '../../../sidecar/telemetry/metrics.ts';
import { scriptedView } from '../../support/scripted-view.ts';

const open: Admin[] = [];
afterEach(async () => {
  for (const admin of open.splice(0)) await admin.close();
});

const start = async (
  view: Partial<SidecarView> = {},
  limits = {},
  meter: Meter = new Meter(metrics),
): Promise<Admin> => {
  const admin = await startAdmin({
    host: '127.0.0.1',
    port: 0,
    log: silent,
    meter,
    limits: { 'admin-connections': 32, 'admin-request': 5000, ...limits },
    view: scriptedView(view),
  });
  open.push(admin);
  return admin;
};

interface Answered {
  code: number;
  headers: Record<string, unknown>;
  body: string;
}

const ask = (
  admin: Admin,
  path: string,
  method = 'GET',
  host = `127.0.0.1:${admin.port}`,
): Promise<Answered> =>
  new Promise((resolve, reject) => {
    const request = send({
      host: '127.0.0.1',
      port: admin.port,
      path,
      method,
      headers: { host },
      agent: false,
    });
    request.on('error', reject);
    request.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => resolve({ code: response.statusCode!, headers: response.headers, body }));
    });
    request.end();
  });

describe('the admin port', () => {
  it('says that it lives, and that it is ready', async () => {
    const admin = await start();
    expect(await ask(admin, '/live')).toMatchObject({ code: 200 });
    const ready = await ask(admin, '/ready');
    expect(ready.code).toBe(200);
    expect(JSON.parse(ready.body)).toEqual({ ready: true, reasons: [] });
  });

  it('says why it is not ready', async () => {
    const admin = await start({ notReady: () => ['Consul at http://127.0.0.1:8500 has not answered'] });
    const { code, body } = await ask(admin, '/ready');
    expect(code).toBe(503);
    expect(JSON.parse(body)).toEqual({
      ready: false,
      reasons: ['Consul at http://127.0.0.1:8500 has not answered'],
    });
  });

  it('shows metrics in the type of their format', async () => {
    const { headers, body } = await ask(await start(), '/metrics');
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(body).toBe('up 1\n');
  });

  it('shows the snapshot, the endpoints and the stacks', async () => {
    const admin = await start();
    expect(JSON.parse((await ask(admin, '/snapshot')).body)).toMatchObject({
      service: 'orders',
      ports: { app: '127.0.0.1:15001', peers: '0.0.0.0:15002', admin: '127.0.0.1:15000' },
      identity: { spiffe: 'spiffe://mesh/ns/default/dc/dc1/svc/orders', validFrom: 1000, validTo: 2000 },
      snapshot: {
        version: 7,
        services: { inventory: { origin: 'static', endpoints: ['127.0.0.1:50052'] } },
        asked: { inventory: true },
        access: {
          intentions: [{ from: 'web', to: 'orders', allow: false }],
          allowByDefault: true,
          because: 'the file says so',
        },
        flags: { express: 'on' },
      },
      authorization: { mode: 'enforce', unclear: [], refused: [] },
    });
    const { services, endpoints } = JSON.parse((await ask(admin, '/endpoints')).body);
    expect(services.map(({ service, gate }: { service: string; gate: string }) => [service, gate])).toEqual([
      ['inventory', 'open'],
      ['payments', 'shut'],
    ]);
    expect(endpoints).toHaveLength(2);
    expect(endpoints[1]).toEqual({
      service: 'payments',
      address: '127.0.0.1:50053',
      gate: 'shut',
      why: '5 failures in a row, the last: lost',
      since: '2023-11-14T22:13:20.000Z',
      successes: 0,
      failures: 5,
      available: false,
      load: 0,
      connections: 0,
      zone: null,
      costMs: 30,
      panic: true,
    });
    expect(JSON.parse((await ask(admin, '/stack')).body)).toEqual({
      outbound: ['correlate', 'observe'],
      inbound: ['correlate', 'authorize'],
    });
  });

  it('answers HEAD with the same head and no body', async () => {
    const { code, headers, body } = await ask(await start(), '/metrics', 'HEAD');
    expect([code, headers['content-length'], body]).toEqual([200, '5', '']);
  });

  it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])('refuses %s', async (method) => {
    const { code, headers } = await ask(await start(), '/live', method);
    expect([code, headers['allow']]).toEqual([405, 'GET, HEAD']);
  });

  it('names its pages to those who look for another', async () => {
    expect(await ask(await start(), '/admin')).toMatchObject({
      code: 404,
      body: 'pages: /live /ready /metrics /snapshot /endpoints /stack\n',
    });
  });

  it('answers only to names of this machine, so that no web page can read it', async () => {
    const admin = await start();
    const codes = [];
    for (const host of ['evil.example', '127.0.0.1.evil.example:80', 'localhost:80', '[::1]', '127.0.0.1'])
      codes.push((await ask(admin, '/snapshot', 'GET', host)).code);
    expect(codes).toEqual([403, 403, 200, 200, 200]);
  });

  it('names the port and the setting when it is taken', async () => {
    const { port } = await start();
    const again = startAdmin({
      host: '127.0.0.1',
      port,
      log: silent,
      meter: new Meter(metrics),
      limits: { 'admin-connections': 1, 'admin-request': 1000 },
      view: scriptedView(),
    });
    await expect(again).rejects.toThrow(
      `the admin port 127.0.0.1:${port} is in use: stop who uses it, or set listen.admin to another port`,
    );
  });
});

describe('the health port', () => {
  it('serves whether the sidecar lives, is ready, and its numbers, under any name, and nothing else', async () => {
    const health = await startHealth({
      host: '127.0.0.1',
      port: 0,
      log: silent,
      meter: new Meter(metrics),
      limits: { 'admin-connections': 32, 'admin-request': 5000 },
      view: scriptedView(),
    });
    open.push(health);
    const codes = async (port: Admin) => {
      const found: Record<string, number> = {};
      for (const path of [
        '/live',
        '/ready',
        '/metrics',
        '/snapshot',
        '/endpoints',
        '/stack',
        '/',
        '/live/..',
      ])
        found[path] = (await ask(port, path, 'GET', 'orders.example:15003')).code;
      return found;
    };
    const nothing = { '/snapshot': 404, '/endpoints': 404, '/stack': 404, '/': 404, '/live/..': 404 };
    expect(await codes(health)).toEqual({ '/live': 200, '/ready': 200, '/metrics': 200, ...nothing });
    expect((await ask(health, '/live', 'POST')).code).toBe(405);
    // Control: the admin port has the other pages, and does not answer to that name.
    const admin = await start();
    expect(new Set(Object.values(await codes(admin)))).toEqual(new Set([403]));
    expect((await ask(admin, '/stack')).code).toBe(200);
  });

  it('names its setting when it is taken', async () => {
    const { port } = await start();
    const again = startHealth({
      host: '127.0.0.1',
      port,
      log: silent,
      meter: new Meter(metrics),
      limits: { 'admin-connections': 1, 'admin-request': 1000 },
      view: scriptedView(),
    });
    await expect(again).rejects.toThrow(
      `the health port 127.0.0.1:${port} is in use: stop who uses it, or set listen.health to another port`,
    );
  });
});

const breaches = (meter: Meter, limit: string): number =>
  meter.count('outrigger_limit_breaches_total', 'admin', limit).value;

describe('limits of the admin port', () => {
  const opened = (port: number) =>
    new Promise<{ closed: Promise<void>; end: () => void; text: () => string }>((resolve) => {
      let text = '';
      const socket = connect({ host: '127.0.0.1', port });
      const closed = new Promise<void>((done) => socket.once('close', () => done()));
      socket.on('error', () => {});
      socket.on('data', (chunk) => (text += chunk.toString()));
      socket.once('connect', () => {
        socket.write('GET /live HTTP/1.1\r\nHost: localhost\r\n');
        resolve({ closed, end: () => socket.destroy(), text: () => text });
      });
    });

  it('ends a request that never finishes its header', async () => {
    const meter = new Meter(metrics);
    const { port } = await start({}, { 'admin-request': 50 }, meter);
    const slow = await opened(port);
    await slow.closed;
    expect(slow.text()).toMatch(/^HTTP\/1\.1 408 /);
    expect(breaches(meter, 'admin-request')).toBe(1);
  });

  it('refuses one connection too many and keeps those it has', async () => {
    const meter = new Meter(metrics);
    const admin = await start({}, { 'admin-connections': 1 }, meter);
    const first = await opened(admin.port);
    const second = await opened(admin.port);
    await second.closed;
    expect(breaches(meter, 'admin-connections')).toBe(1);
    first.end();
    await first.closed;
    expect((await ask(admin, '/live')).code).toBe(200);
  });

  it('ends a header block above 8 KiB', async () => {
    const meter = new Meter(metrics);
    const admin = await start({}, {}, meter);
    expect((await ask(admin, `/${'x'.repeat(9000)}`)).code).toBe(431);
    expect(breaches(meter, 'admin-header')).toBe(1);
  });
});

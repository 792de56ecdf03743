import { fork } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Control, startControl } from '../../../sidecar/control/control.ts';
import { loadGrpc, messageShape, protoFile } from '../../../sidecar/control/grpc.ts';
import { controlPath } from '../../../sidecar/control/socket.ts';
import type { SidecarView } from '../../../sidecar/control/view.ts';
import { silent } from '../../../sidecar/core/log.ts';
import { Meter } from '../../../sidecar/core/meter.ts';
import { unclear } from '../../../sidecar/core/permission.ts';
import { metrics } from '../../../sidecar/telemetry/metrics.ts';
import { snapshot } from '../../support/calls.ts';
import { scriptedView } from '../../support/scripted-view.ts';

let folder: string;
const undo: (() => unknown)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outrigger-control-'));
});
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
  rmSync(folder, { recursive: true });
});

const start = async (
  path: string,
  view: Partial<SidecarView> = {},
  meter: Meter = new Meter(metrics),
  connections = 16,
): Promise<Control> => {
  const control = await startControl({
    path,
    log: silent,
    meter,
    limits: { 'control-connections': connections },
    view: scriptedView(view),
  });
  undo.push(() => control.close());
  return control;
};

type Ask = (method: string, request?: object) => Promise<Record<string, unknown>>;

const client = async (path: string): Promise<Ask> => {
  const { grpc, loader } = await loadGrpc();
  const definition = loader.loadSync(protoFile('outrigger/v1/control.proto'), messageShape);
  const Control = grpc.makeGenericClientConstructor(
    definition['outrigger.v1.Control'] as Parameters<typeof grpc.makeGenericClientConstructor>[0],
    'Control',
  );
  const connected = new Control(`unix:${path}`, grpc.credentials.createInsecure()) as Client &
    Record<
      string,
      (request: object, done: (error: Error | null, response: Record<string, unknown>) => void) => void
    >;
  undo.push(() => connected.close());
  return (method, request = {}) =>
    new Promise((resolve, reject) =>
      connected[method]!(request, (error, response) => (error === null ? resolve(response) : reject(error))),
    );
};

describe('the control socket', () => {
  it('is 0600 in a folder that it made 0700, and is gone afterwards', async () => {
    const path = join(folder, 'run', 'orders.sock');
    const control = await start(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'run')).mode & 0o777).toBe(0o700);
    await control.close();
    expect(existsSync(path)).toBe(false);
  });

  it('tells what the mesh says', async () => {
    const path = join(folder, 'orders.sock');
    await start(path, { notReady: () => ['no certificate yet'] });
    const ask = await client(path);
    expect(await ask('getSnapshot')).toEqual({
      service: 'orders',
      ports: { app: '127.0.0.1:15001', peers: '0.0.0.0:15002', admin: '127.0.0.1:15000' },
      identity: { spiffe: 'spiffe://mesh/ns/default/dc/dc1/svc/orders', validFromMs: 1000, validToMs: 2000 },
      notReady: ['no certificate yet'],
      version: 7,
      services: [{ name: 'inventory', origin: 'static', endpoints: ['127.0.0.1:50052'] }],
      access: {
        intentions: [{ from: 'web', to: 'orders', allow: false, permissions: [] }],
        allowByDefault: true,
        because: 'the file says so',
      },
      flags: { express: 'on' },
    });
  });

  it('lists endpoints, of one service when asked', async () => {
    const path = join(folder, 'orders.sock');
    await start(path);
    const ask = await client(path);
    expect((await ask('listEndpoints'))['endpoints']).toHaveLength(2);
    expect(await ask('listEndpoints', { service: 'payments' })).toEqual({
      endpoints: [
        {
          service: 'payments',
          address: '127.0.0.1:50053',
          gate: 'GATE_SHUT',
          available: false,
          load: 0,
          connections: 0,
        },
      ],
    });
  });

  it('drains, and answers when that is over', async () => {
    const path = join(folder, 'orders.sock');
    const order: string[] = [];
    let drained = (): void => {};
    const draining = new Promise<void>((begun) => {
      start(path, {
        drain: () => {
          begun();
          return new Promise((resolve) => {
            drained = resolve;
          });
        },
      });
    });
    const ask = await client(path);
    const answered = ask('drain').then(() => order.push('answered'));
    await draining;
    order.push('drained');
    drained();
    await answered;
    expect(order).toEqual(['drained', 'answered']);
  });

  it('tells permissions in words', async () => {
    const path = join(folder, 'orders.sock');
    const header = { name: 'x-tier', ask: 'exact', text: 'gold', ignoreCase: false, invert: true } as const;
    const path1 = { ask: 'prefix', text: '/shop.' } as const;
    const first = { allow: true, path: path1, headers: [header], methods: ['POST'], unclear: null };
    const permissions = [first, unclear('JWT')];
    const intentions = [{ from: 'web', to: 'orders', allow: false, permissions }];
    await start(path, {
      snapshot: () => snapshot({ access: { intentions, allowByDefault: false, because: '' } }),
    });
    const { access } = await (await client(path))('getSnapshot');
    expect(access).toMatchObject({
      intentions: [
        {
          permissions: [
            { allow: true, asks: 'path prefix /shop., header x-tier not exact gold, method POST' },
            { allow: false, asks: 'not understood: JWT' },
          ],
        },
      ],
    });
  });

  it('sets the level of the log and answers the one before', async () => {
    const path = join(folder, 'orders.sock');
    const set: string[] = [];
    await start(path, { logLevel: () => 'warn', setLogLevel: (level) => void set.push(level) });
    const ask = await client(path);
    expect(await ask('setLogLevel', { level: 'LOG_LEVEL_DEBUG' })).toEqual({ before: 'LOG_LEVEL_WARN' });
    await expect(ask('setLogLevel')).rejects.toThrow(
      '3 INVALID_ARGUMENT: level must be one of LOG_LEVEL_DEBUG, ',
    );
    expect(set).toEqual(['debug']);
  });

  it('says where the level of the log cannot be set', async () => {
    const path = join(folder, 'orders.sock');
    await start(path, { logLevel: () => null });
    const ask = await client(path);
    await expect(ask('setLogLevel', { level: 'LOG_LEVEL_INFO' })).rejects.toThrow('9 FAILED_PRECONDITION: ');
  });

  it('refuses one connection too many, counts it, and keeps those it has', async () => {
    const path = join(folder, 'orders.sock');
    const meter = new Meter(metrics);
    await start(path, {}, meter, 1);
    const ask = await client(path);
    await ask('getSnapshot');
    const second = connect(path);
    await new Promise((resolve) => second.once('close', resolve));
    expect(meter.count('outrigger_limit_breaches_total', 'control', 'control-connections').value).toBe(1);
    expect((await ask('getSnapshot'))['version']).toBe(7);
  });

  it('passes a failure on instead of hanging', async () => {
    const path = join(folder, 'orders.sock');
    await start(path, { drain: () => Promise.reject(new Error('listener is gone')) });
    const ask = await client(path);
    await expect(ask('drain')).rejects.toThrow('13 INTERNAL: listener is gone');
  });
});

describe('a control socket that cannot be opened', () => {
  it('is not opened where others may enter the folder', async () => {
    chmodSync(folder, 0o755);
    await expect(start(join(folder, 'a.sock'))).rejects.toThrow(
      `the control socket's folder ${folder} is open to other users: run 'chmod 700 ${folder}', or set listen.control`,
    );
  });

  it('names the socket that another sidecar listens on', async () => {
    const path = join(folder, 'a.sock');
    await start(path);
    await expect(start(path)).rejects.toThrow(
      `the control socket ${path} is in use: stop the other sidecar, or set listen.control`,
    );
  });

  it('leaves a file alone that is no socket', async () => {
    const path = join(folder, 'a.sock');
    writeFileSync(path, 'precious');
    await expect(start(path)).rejects.toThrow('is a file of another kind');
    expect(existsSync(path)).toBe(true);
  });

  it('takes the place of a dead process', async () => {
    const path = join(folder, 'a.sock');
    const script = join(folder, 'leave.cjs');
    writeFileSync(
      script,
      `require('net').createServer().listen(${JSON.stringify(path)}, () => process.send('up'))`,
    );
    const child = fork(script);
    await new Promise((resolve) => child.once('message', resolve));
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
    expect(existsSync(path)).toBe(true);
    expect((await start(path)).path).toBe(path);
  });
});

describe('where the socket lies by default', () => {
  it('is short enough for every system, and tells two sidecars of a host apart', () => {
    const long = 'a'.repeat(63);
    expect(controlPath(long, 15000)).not.toBe(controlPath(long, 15003));
    expect(controlPath('', 15000)).toMatch(/\/proxy-15000\.sock$/);
    expect(controlPath(long, 65535).split('/').at(-1)).toHaveLength(35);
  });
});

describe('memory', () => {
  it('is not spent on gRPC before somebody connects', async () => {
    const script = `import { startControl } from './sidecar/control/control.ts';
      import { createRequire } from 'node:module';
      import { connect } from 'node:net';
      const loaded = () => Object.keys(createRequire(process.cwd() + '/x.js').cache).some((file) => file.includes('grpc-js'));
      const path = ${JSON.stringify('PATH')};
      const log = { debug() {}, info() {}, warn() {}, error: (fields) => console.error(fields) };
      const control = await startControl({ path, log, limits: { 'control-connections': 1 }, view: {} });
      const before = loaded();
      const socket = connect(path);
      // The client's half of an HTTP/2 connection preface, so that there is something to answer.
      socket.write('PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n\\0\\0\\0\\x04\\0\\0\\0\\0\\0');
      await new Promise((resolve) => socket.once('data', resolve));
      console.log(JSON.stringify([before, loaded()]));
      socket.destroy();
      await control.close();`.replace('PATH', join(folder, 'm.sock'));
    const { execFile } = await import('node:child_process');
    const output = await new Promise<string>((resolve, reject) =>
      execFile(
        process.execPath,
        ['--import', 'tsx', '--input-type=module', '-e', script],
        (error, out, err) => (error === null ? resolve(out) : reject(new Error(err))),
      ),
    );
    expect(JSON.parse(output)).toEqual([false, true]);
  });
});

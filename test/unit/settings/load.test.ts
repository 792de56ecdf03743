import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadSettingsApart } from '../../../sidecar/settings/apart.ts';
import { loadSettings, readSettings } from '../../../sidecar/settings/load.ts';
import { complaintsAbout, settingsIn } from '../../support/settings-text.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-settings-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a file with a name alone', () => {
  it('has a default for everything else', () => {
    expect(settingsIn('service: { name: web }')).toEqual({
      service: { name: 'web', app: null, check: 'none' },
      listen: {
        app: { host: '127.0.0.1', port: 15001 },
        peers: null,
        admin: { host: '127.0.0.1', port: 15000 },
        health: null,
        control: 'default',
      },
      discovery: {
        from: 'consul',
        url: 'http://127.0.0.1:8500',
        tokenFile: null,
        caFile: null,
        certFile: null,
        keyFile: null,
        serverName: null,
        verify: true,
      },
      identity: { from: 'consul', leastTls: 'TLSv1.2' },
      allowPlaintextPeers: false,
      advertise: null,
      stateDir: 'default',
      upstreams: {},
      flags: {},
      policies: [],
      intentions: null,
      auditsIntentions: false,
      flagging: { file: null, targetingKey: null, deciders: null, testers: [] },
      faults: { policies: false, from: [] },
      limits: expect.objectContaining({ message: 67108864, 'header-list': 16384, 'streams-peers': 100 }),
      drain: { notice: 1000, calls: 15000, app: 10000 },
      log: { level: 'info', access: 0.01 },
    });
  });

  it('opens the peers port once there is an app to answer on it', () => {
    const { service, listen } = settingsIn('service: { name: orders, port: 50051 }');
    expect(service).toEqual({ name: 'orders', app: { host: '127.0.0.1', port: 50051 }, check: 'tcp' });
    expect(listen.peers).toEqual({ host: '0.0.0.0', port: 15002 });
  });

  it('cannot be written to afterwards', () => {
    const { limits } = settingsIn('service: { name: web }') as { limits: { message: number } };
    expect(() => {
      limits.message = 1;
    }).toThrow(TypeError);
  });
});

describe('a file that says everything', () => {
  it('means what it says, with paths that begin at its folder', () => {
    const text = `
service: { name: orders, socket: run/orders.sock, check: grpc }
listen: { app: unix:run/app.sock, peers: "[::1]:15002", admin: localhost:0, health: 0.0.0.0:15003, control: none }
discovery: { static: { services: { inventory: [127.0.0.1:50052, unix:inv.sock] } } }
identity: { files: { cert: leaf.pem, key: /keys/leaf.key, ca: roots.pem } }
advertise: 10.0.0.7
upstreams: { inventory: 127.0.0.1:9191 }
balance: round-robin
flags: { express: on }
intentions: [{ from: web, allow: false }, { from: '*', allow: true }]
limits: { message: 1MiB, admin-request: 200ms, streams-app: 7 }
drain: { calls: 1m }
log: { level: debug, access: none }
`;
    expect(settingsIn(text)).toMatchObject({
      service: { name: 'orders', app: { path: '/etc/mesh/run/orders.sock' }, check: 'grpc' },
      listen: {
        app: { path: '/etc/mesh/run/app.sock' },
        peers: { host: '::1', port: 15002 },
        admin: { host: 'localhost', port: 0 },
        health: { host: '0.0.0.0', port: 15003 },
        control: 'none',
      },
      discovery: {
        services: {
          inventory: [
            { id: '127.0.0.1:50052', host: '127.0.0.1', port: 50052, service: 'inventory' },
            { id: 'unix:/etc/mesh/inv.sock', host: '/etc/mesh/inv.sock', port: 0, service: 'inventory' },
          ],
        },
      },
      identity: {
        from: 'files',
        cert: '/etc/mesh/leaf.pem',
        key: '/keys/leaf.key',
        ca: '/etc/mesh/roots.pem',
      },
      advertise: { host: '10.0.0.7', port: null },
      upstreams: { inventory: { host: '127.0.0.1', port: 9191 } },
      flags: { express: 'on' },
      policies: [
        { service: '*', words: { balance: 'round-robin' }, origin: 'file balance' },
        { service: '*', words: { flags: { express: 'on' } }, origin: 'file flags' },
      ],
      intentions: [
        { from: 'web', to: 'orders', allow: false },
        { from: '*', to: 'orders', allow: true },
      ],
      auditsIntentions: false,
      limits: { message: 1048576, 'admin-request': 200, 'streams-app': 7 },
      drain: { calls: 60000, app: 10000 },
      log: { level: 'debug', access: null },
    });
  });

  it('needs no service as a plain outbound proxy', () => {
    const text = 'identity: none\ndiscovery: { static: { services: { inventory: [127.0.0.1:50052] } } }';
    expect(settingsIn(text)).toMatchObject({
      service: null,
      listen: { peers: null },
      identity: { from: 'none' },
    });
  });
});

describe('the command line over the file', () => {
  it('wins key by key', () => {
    const { listen, service } = settingsIn('service: { name: a, port: 1 }\nlisten: { app: 127.0.0.1:7 }', {
      service: { name: 'b' },
      listen: { admin: '127.0.0.1:0' },
    });
    expect(service).toMatchObject({ name: 'b', app: { port: 1 } });
    expect(listen).toMatchObject({ app: { port: 7 }, admin: { port: 0 } });
  });

  it('is named where it is wrong', () => {
    expect(complaintsAbout('', { service: { name: 'Web' } })[0]).toMatch(
      /^command line: service\.name must be/,
    );
  });
});

describe('free ports', () => {
  it('take the place of the usual ones, and leave what the file names', () => {
    const text = 'service: { name: orders, port: 50051 }\nlisten: { admin: 127.0.0.1:7 }';
    expect(readSettings(text, 'mesh.yaml', '/', { freePorts: true }).settings.listen).toEqual({
      app: { host: '127.0.0.1', port: 0 },
      peers: { host: '0.0.0.0', port: 0 },
      admin: { host: '127.0.0.1', port: 7 },
      health: null,
      control: 'default',
    });
  });

  it('open no peers port for a pure caller', () => {
    const { settings } = readSettings('service: { name: web }', 'mesh.yaml', '/', { freePorts: true });
    expect(settings.listen.peers).toBeNull();
  });
});

describe('reading in a process of its own', () => {
  it('answers the same settings as reading here', async () => {
    const file = join(folder, 'good.yaml');
    writeFileSync(file, 'service: { name: orders, port: 50051 }');
    const apart = await loadSettingsApart({ file }, ['--import', 'tsx']);
    expect(apart).toEqual(loadSettings({ file }));
    expect(Object.isFrozen(apart.settings.limits)).toBe(true);
  });

  it('answers the same problems', async () => {
    const file = join(folder, 'absent.yaml');
    await expect(loadSettingsApart({ file }, ['--import', 'tsx'])).rejects.toThrow(
      `${file}: no such file: give the path of a settings file`,
    );
  });
});

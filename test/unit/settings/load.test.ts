import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadSettingsApart } from '../../../sidecar/settings/apart.ts';
import { loadSettings, readSettings } from '../../../sidecar/settings/load.ts';
import { SettingsError } from '../../../sidecar/settings/problem.ts';
import type { Settings } from '../../../sidecar/settings/settings.ts';

const settings = (text: string, overlay = {}): Settings =>
  readSettings(text, 'mesh.yaml', '/etc/mesh', { overlay }).settings;

const complaints = (text: string, overlay = {}): string[] => {
  try {
    readSettings(text, 'mesh.yaml', '/etc/mesh', { overlay });
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.message.split('\n');
    throw error;
  }
};

const folder = mkdtempSync(join(tmpdir(), 'outrigger-settings-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a file with a name alone', () => {
  it('has a default for everything else', () => {
    expect(settings('service: { name: web }')).toEqual({
      service: { name: 'web', app: null, check: 'none' },
      listen: {
        app: { host: '127.0.0.1', port: 15001 },
        peers: null,
        admin: { host: '127.0.0.1', port: 15000 },
        control: 'default',
      },
      discovery: { from: 'consul', url: 'http://127.0.0.1:8500', tokenFile: null },
      identity: { from: 'consul' },
      allowPlaintextPeers: false,
      advertise: null,
      upstreams: {},
      balance: 'two-choices',
      flags: {},
      intentions: null,
      limits: expect.objectContaining({ message: 67108864, 'header-list': 16384, 'streams-peers': 100 }),
      drain: { calls: 15000, app: 10000 },
      log: { level: 'info' },
    });
  });

  it('opens the peers port once there is an app to answer on it', () => {
    const { service, listen } = settings('service: { name: orders, port: 50051 }');
    expect(service).toEqual({ name: 'orders', app: { host: '127.0.0.1', port: 50051 }, check: 'tcp' });
    expect(listen.peers).toEqual({ host: '0.0.0.0', port: 15002 });
  });

  it('cannot be written to afterwards', () => {
    const { limits } = settings('service: { name: web }') as { limits: { message: number } };
    expect(() => {
      limits.message = 1;
    }).toThrow(TypeError);
  });
});

describe('a file that says everything', () => {
  it('means what it says, with paths that begin at its folder', () => {
    const text = `
service: { name: orders, socket: run/orders.sock, check: grpc }
listen: { app: unix:run/app.sock, peers: "[::1]:15002", admin: localhost:0, control: none }
discovery: { static: { services: { inventory: [127.0.0.1:50052, unix:inv.sock] } } }
identity: { files: { cert: leaf.pem, key: /keys/leaf.key, ca: roots.pem } }
advertise: 10.0.0.7
upstreams: { inventory: 127.0.0.1:9191 }
balance: round-robin
flags: { express: on }
intentions: [{ from: web, allow: false }, { from: '*', allow: true }]
limits: { message: 1MiB, admin-request: 200ms, streams-app: 7 }
drain: { calls: 1m }
log: { level: debug }
`;
    expect(settings(text)).toMatchObject({
      service: { name: 'orders', app: { path: '/etc/mesh/run/orders.sock' }, check: 'grpc' },
      listen: {
        app: { path: '/etc/mesh/run/app.sock' },
        peers: { host: '::1', port: 15002 },
        admin: { host: 'localhost', port: 0 },
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
      balance: 'round-robin',
      flags: { express: 'on' },
      intentions: [
        { from: 'web', to: 'orders', allow: false },
        { from: '*', to: 'orders', allow: true },
      ],
      limits: { message: 1048576, 'admin-request': 200, 'streams-app': 7 },
      drain: { calls: 60000, app: 10000 },
      log: { level: 'debug' },
    });
  });

  it('needs no service as a plain outbound proxy', () => {
    const text = 'identity: none\ndiscovery: { static: { services: { inventory: [127.0.0.1:50052] } } }';
    expect(settings(text)).toMatchObject({
      service: null,
      listen: { peers: null },
      identity: { from: 'none' },
    });
  });
});

describe('a malformed file', () => {
  it('is told all that is wrong, each with line, column and what to write', () => {
    const text = `service:
  name: Orders
  prot: 50051
listen: { app: 15001, admin: 127.0.0.1:99999 }
identity: { form: none }
limits: { message: 64MB, streams-app: 0 }
flags: { express: true }
upstreams: { Inv_x: 127.0.0.1:1 }
drain: 5
intentions: [{ from: web }]
`;
    expect(complaints(text)).toEqual([
      "mesh.yaml:2:9: service.name must be a service name of lower-case letters, digits and hyphens (63 at most), such as orders, not 'Orders'",
      "mesh.yaml:3:3: unknown key 'prot' in service (did you mean 'port'?)",
      'mesh.yaml:4:16: listen.app must be host:port or unix:PATH, such as 127.0.0.1:15001, not 15001',
      "mesh.yaml:4:30: listen.admin must be host:port, such as 127.0.0.1:15000, not '127.0.0.1:99999'",
      "mesh.yaml:5:13: unknown key 'form' in identity (did you mean 'from'?)",
      "mesh.yaml:6:20: limits.message must be a size with its unit (B, KiB, MiB, GiB), such as 64MiB, not '64MB'",
      'mesh.yaml:6:39: limits.streams-app must be a whole number from 1 to 1000000, such as 1024, not 0',
      "mesh.yaml:7:19: flags.express must be a text, quoted where YAML reads something else, of letters, digits, dots, hyphens and underscores, such as 'on', not true",
      "mesh.yaml:8:14: key 'Inv_x' of upstreams must be a service name of lower-case letters, digits and hyphens (63 at most), such as orders",
      'mesh.yaml:9:8: drain must be a mapping with keys such as calls, app, not 5',
      'mesh.yaml:10:14: intentions.0.allow is missing: it must be true or false',
    ]);
  });

  it.each([
    [
      'service: { name: a\nb: c: d',
      'mesh.yaml:2:1: not valid YAML: Flow map in block collection must be sufficiently indented and end with a }',
    ],
    ['service: { name: a }\nservice: { name: b }', 'mesh.yaml:2:1: not valid YAML: Map keys must be unique'],
    [
      '- service',
      'mesh.yaml:1:1: the file must be a mapping with keys such as service, listen, discovery, not ["service"]',
    ],
    ['servce: { name: a }', "mesh.yaml:1:1: unknown key 'servce' in the file (did you mean 'service'?)"],
    [
      'service: {}',
      'mesh.yaml:1:1: service.name is missing: it must be a service name of lower-case letters, digits and hyphens (63 at most), such as orders',
    ],
    [
      'service: { name: a }\nidentity: perhaps',
      "mesh.yaml:2:11: identity must be consul, none, or { files: { cert: PATH, key: PATH, ca: PATH } }, not 'perhaps'",
    ],
    [
      'service: { name: a }\ndiscovery: { consul: { url: "http://x/v1" } }',
      "mesh.yaml:2:29: discovery.consul.url must be the URL of a Consul agent without a path, such as http://127.0.0.1:8500, not 'http://x/v1'",
    ],
  ])('%j', (text, complaint) => {
    expect(complaints(text)[0]).toBe(complaint);
  });

  it('that multiplies by anchors is refused, not expanded', () => {
    const lists = ['a: &a [x,x,x,x,x,x,x,x,x]'];
    for (const [one, before] of ['ba', 'cb', 'dc', 'ed', 'fe', 'gf'].map((pair) => [...pair]))
      lists.push(`${one}: &${one} [${new Array(9).fill(`*${before}`).join(',')}]`);
    expect(complaints(lists.join('\n'))[0]).toContain('Excessive alias count');
  });
});

describe('keys that contradict each other', () => {
  const orders = 'service: { name: orders, port: 50051 }\n';
  it.each([
    [
      '',
      "mesh.yaml:1:1: service is missing: write 'service: { name: orders, port: 50051 }' with the app's own name and port",
    ],
    [
      'service: { name: a, port: 1, socket: s }',
      "mesh.yaml:1:38: service.socket stands beside port: keep 'port' or 'socket', where the app answers",
    ],
    [
      `${orders}identity: none\nlisten: { peers: 0.0.0.0:15002 }`,
      "mesh.yaml:3:18: listen.peers 0.0.0.0:15002 is open to the network without TLS, as identity is none: use 127.0.0.1, give an identity, or write 'allow-plaintext-peers: true'",
    ],
    [
      `identity: none\ndiscovery: { static: { services: { a: [db.example:1] } } }`,
      "mesh.yaml:2:40: discovery.static.services.a.0 db.example:1 is on the network and would be called without TLS, as identity is none: use 127.0.0.1, give an identity, or write 'allow-plaintext-peers: true'",
    ],
    [
      `${orders}listen: { app: 127.0.0.1:15002 }`,
      'mesh.yaml:2:1: listen.peers 0.0.0.0:15002 is taken by listen.app: choose another',
    ],
    [
      `${orders}listen: { app: localhost:50051 }`,
      'mesh.yaml:2:16: listen.app localhost:50051 is where the app answers (service): choose another',
    ],
    [
      `${orders}upstreams: { orders: 127.0.0.1:9191 }`,
      'mesh.yaml:2:22: upstreams.orders is this service itself: a call would leave and come back; remove it',
    ],
    [
      `${orders}listen: { admin: 0.0.0.0:15000 }`,
      'mesh.yaml:2:18: listen.admin 0.0.0.0:15000 is open to the network: use 127.0.0.1 or [::1]',
    ],
    [
      `${orders}discovery: { static: { services: {} } }`,
      "mesh.yaml:1:1: identity must be said with static discovery: write 'identity: { files: { cert: PATH, key: PATH, ca: PATH } }', or 'identity: none' for plaintext on this machine",
    ],
    [
      `${orders}intentions: []`,
      'mesh.yaml:2:1: intentions come from Consul with discovery from Consul: set them there and remove them here',
    ],
    [
      `${orders}listen: { control: unix:/${'x'.repeat(110)} }`,
      `mesh.yaml:2:20: listen.control is 111 bytes long, a unix socket's path may have 103: shorten it`,
    ],
    [
      'service: { name: web }\nadvertise: 10.0.0.7',
      'mesh.yaml:2:12: advertise has no peers port to speak of: add service.port or service.socket, or remove it',
    ],
  ])('%j', (text, complaint) => {
    expect(complaints(text)).toEqual([complaint]);
  });

  it('warns, no more, where plaintext on the network was asked for by name', () => {
    const { warnings } = readSettings(
      `${orders}identity: none\nallow-plaintext-peers: true\nlisten: { peers: 0.0.0.0:15002 }`,
      'mesh.yaml',
      '/',
    );
    expect(warnings).toEqual([
      {
        at: 'mesh.yaml:4:18',
        message:
          'listen.peers 0.0.0.0:15002 is open to the network without TLS, as identity is none: anybody on the path can read and forge its calls',
      },
    ]);
  });
});

describe('the command line over the file', () => {
  it('wins key by key', () => {
    const { listen, service } = settings('service: { name: a, port: 1 }\nlisten: { app: 127.0.0.1:7 }', {
      service: { name: 'b' },
      listen: { admin: '127.0.0.1:0' },
    });
    expect(service).toMatchObject({ name: 'b', app: { port: 1 } });
    expect(listen).toMatchObject({ app: { port: 7 }, admin: { port: 0 } });
  });

  it('is named where it is wrong', () => {
    expect(complaints('', { service: { name: 'Web' } })[0]).toMatch(/^command line: service\.name must be/);
  });
});

describe('free ports', () => {
  it('take the place of the usual ones, and leave what the file names', () => {
    const text = 'service: { name: orders, port: 50051 }\nlisten: { admin: 127.0.0.1:7 }';
    expect(readSettings(text, 'mesh.yaml', '/', { freePorts: true }).settings.listen).toEqual({
      app: { host: '127.0.0.1', port: 0 },
      peers: { host: '0.0.0.0', port: 0 },
      admin: { host: '127.0.0.1', port: 7 },
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

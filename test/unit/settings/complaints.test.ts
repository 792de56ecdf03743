import { describe, expect, it } from 'vitest';
import { readSettings } from '../../../sidecar/settings/load.ts';
import { complaintsAbout } from '../../support/settings-text.ts';

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
    expect(complaintsAbout(text)).toEqual([
      "mesh.yaml:2:9: service.name must be a service name of lower-case letters, digits and hyphens (63 at most), such as orders, not 'Orders'",
      "mesh.yaml:3:3: unknown key 'prot' in service (did you mean 'port'?)",
      'mesh.yaml:4:16: listen.app must be host:port or unix:PATH, such as 127.0.0.1:15001, not 15001',
      "mesh.yaml:4:30: listen.admin must be host:port, such as 127.0.0.1:15000, not '127.0.0.1:99999'",
      "mesh.yaml:5:13: unknown key 'form' in identity (did you mean 'from'?)",
      "mesh.yaml:6:20: limits.message must be a size with its unit (B, KiB, MiB, GiB), such as 64MiB, not '64MB'",
      'mesh.yaml:6:39: limits.streams-app must be a whole number from 1 to 1000000, such as 1024, not 0',
      "mesh.yaml:7:19: flags.express must be a text, quoted where YAML reads something else, of letters, digits, dots, hyphens and underscores, such as 'on', not true",
      "mesh.yaml:8:14: key 'Inv_x' of upstreams must be a service name of lower-case letters, digits and hyphens (63 at most), such as orders",
      'mesh.yaml:9:8: drain must be a mapping with keys such as notice, calls, app, not 5',
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
    expect(complaintsAbout(text)[0]).toBe(complaint);
  });

  it('that multiplies by anchors is refused, not expanded', () => {
    const lists = ['a: &a [x,x,x,x,x,x,x,x,x]'];
    for (const [one, before] of ['ba', 'cb', 'dc', 'ed', 'fe', 'gf'].map((pair) => [...pair]))
      lists.push(`${one}: &${one} [${new Array(9).fill(`*${before}`).join(',')}]`);
    expect(complaintsAbout(lists.join('\n'))[0]).toContain('Excessive alias count');
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
    expect(complaintsAbout(text)).toEqual([complaint]);
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

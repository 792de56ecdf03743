import { describe, expect, it } from 'vitest';
import { readSettings } from '../../../sidecar/settings/load.ts';
import { complaintsAbout } from '../../support/settings-text.ts';

const consul = 'service: { name: orders, port: 50051 }\n';
const fixed = `${consul}discovery: { static: { services: {} } }
identity: { files: { cert: a, key: b, ca: c } }
`;
const read = (text: string) => readSettings(text, 'mesh.yaml', '/etc/outrigger').settings;

describe('intentions', () => {
  it('are kept unless they are only watched', () => {
    const said = (text: string) => {
      const { intentions, auditsIntentions } = read(text);
      return [intentions, auditsIntentions];
    };
    const rule = { from: 'web', to: 'orders', allow: false };
    expect(said(consul)).toEqual([null, false]);
    expect(said(`${consul}intentions: audit\n`)).toEqual([null, true]);
    expect(said(`${fixed}intentions: [{ from: web, allow: false }]\n`)).toEqual([[rule], false]);
    expect(said(`${fixed}intentions: { audit: [{ from: web, allow: false }] }\n`)).toEqual([[rule], true]);
  });

  it.each([
    [
      `${fixed}intentions: audit\n`,
      "mesh.yaml:4:13: intentions has no list to watch with static discovery: write 'intentions: { audit: [...] }'",
    ],
    [
      `${consul}intentions: { audit: [{ from: web, allow: false }] }\n`,
      'mesh.yaml:2:1: intentions come from Consul with discovery from Consul: set them there and remove them here',
    ],
    [
      `${fixed}intentions: { audit: [{ from: web, allow: false }, { from: web, allow: true }] }\n`,
      "mesh.yaml:4:52: intentions.audit.1 speaks of 'web' a second time: keep one",
    ],
    [
      `${consul}intentions: watch\n`,
      "mesh.yaml:2:13: intentions must be a list, such as [{ from: web, allow: false }], or audit, or { audit: LIST }, not 'watch'",
    ],
  ])('that make no sense are told: %#', (text, complaint) => {
    expect(complaintsAbout(text)).toEqual([complaint]);
  });
});

describe('lines about calls', () => {
  it('are one in a hundred of those that went well, unless it is said otherwise', () => {
    expect(read(consul).log).toEqual({ level: 'info', access: 0.01 });
    expect(read(`${consul}log: { access: 0.5 }\n`).log.access).toBe(0.5);
    expect(read(`${consul}log: { access: none }\n`).log.access).toBeNull();
    expect(complaintsAbout(`${consul}log: { access: 2 }\n`)).toEqual([
      'mesh.yaml:2:16: log.access must be a number from 0 to 1, such as 0.01, or none, not 2',
    ]);
  });
});

describe('the health port', () => {
  it('is there when it is asked for, also for other machines, and on an address of its own', () => {
    expect(read(consul).listen.health).toBeNull();
    expect(read(`${consul}listen: { health: 0.0.0.0:15003 }\n`).listen.health).toEqual({
      host: '0.0.0.0',
      port: 15003,
    });
    expect(complaintsAbout(`${consul}listen: { health: 127.0.0.1:15000 }\n`)).toEqual([
      'mesh.yaml:2:19: listen.health 127.0.0.1:15000 is taken by listen.admin: choose another',
    ]);
  });
});

import { describe, expect, it } from 'vitest';
import { readSettings } from '../../../sidecar/settings/load.ts';
import { SettingsError } from '../../../sidecar/settings/problem.ts';
import { readPolicy } from '../../../sidecar/settings/read-policy.ts';
import { complaintsAbout, settingsIn } from '../../support/settings-text.ts';

const web = 'service: { name: web }\n';
const key = 'outrigger/policy/inventory';

/** What is wrong with a policy in KV. */
const complaints = (text: string): string[] => {
  try {
    readPolicy(text, key, 'inventory');
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.message.split('\n');
    throw error;
  }
};

describe('policies in a file', () => {
  it('become rules that say where they stand', () => {
    const text = `${web}
balance: round-robin
flags: { express: on }
policies:
  '*': { idle-stream: 2m }
  inventory:
    timeout: 250ms
    connect: 1s
    eject: { failures: 3 }
    methods:
      /shop.Inventory/Watch: { timeout: none, retry: { attempts: 1 } }
      /shop.Inventory/*: { flags: { tax: v2 } }
`;
    const file = { layer: 'file', method: '' };
    expect(settingsIn(text).policies).toEqual([
      { ...file, service: '*', words: { balance: 'round-robin' }, origin: 'file balance' },
      { ...file, service: '*', words: { flags: { express: 'on' } }, origin: 'file flags' },
      { ...file, service: '*', words: { 'idle-stream': 120_000 }, origin: 'file policies.*' },
      {
        ...file,
        service: 'inventory',
        words: { timeout: 250, connect: 1000, eject: { failures: 3 } },
        origin: 'file policies.inventory',
      },
      {
        layer: 'file',
        service: 'inventory',
        method: '/shop.Inventory/Watch',
        words: { timeout: null, retry: { attempts: 1 } },
        origin: 'file policies.inventory methods./shop.Inventory/Watch',
      },
      {
        layer: 'file',
        service: 'inventory',
        method: '/shop.Inventory/*',
        words: { flags: { tax: 'v2' } },
        origin: 'file policies.inventory methods./shop.Inventory/*',
      },
    ]);
  });

  it('are none where the file says nothing: a default would beat what Consul says', () => {
    expect(settingsIn(web).policies).toEqual([]);
  });

  it('survive the way between the two processes that read a file', () => {
    const { policies } = settingsIn(`${web}policies: { inventory: { timeout: none } }`);
    expect(JSON.parse(JSON.stringify(policies))).toEqual(policies);
  });

  it('are told all that is wrong, each with line, column and what to write', () => {
    const text = `${web}policies:
  Inv_x: {}
  inventory:
    timeot: 1s
    timeout: 0ms
    idle-stream: 5
    balance: random
    retry: { attempts: 6 }
    flags: { express: true }
    connect: 2m
    methods:
      Get: {}
      /shop.Inventory/Get: { connect: 1s, timeout: soon }
  orders: 5
`;
    expect(complaintsAbout(text)).toEqual([
      "mesh.yaml:3:3: key 'Inv_x' of policies must be a service name of lower-case letters, digits and hyphens (63 at most), or '*' for every service, such as inventory",
      "mesh.yaml:5:5: unknown key 'timeot' in policies.inventory (did you mean 'timeout'?)",
      "mesh.yaml:6:14: policies.inventory.timeout must be a time with its unit (ms, s, m, h) from 1ms to 24h, such as 250ms, or none, not '0ms'",
      'mesh.yaml:7:18: policies.inventory.idle-stream must be a time with its unit (ms, s, m, h) from 100ms to 24h, such as 5m, not 5',
      "mesh.yaml:8:14: policies.inventory.balance must be two-choices or round-robin, not 'random'",
      'mesh.yaml:9:24: policies.inventory.retry.attempts must be a whole number from 1 to 5, such as 3, not 6',
      "mesh.yaml:10:23: policies.inventory.flags.express must be a text, quoted where YAML reads something else, of letters, digits, dots, hyphens and underscores, such as 'on', not true",
      "mesh.yaml:11:14: policies.inventory.connect must be a time with its unit (ms, s, m, h) from 1ms to 1m, such as 2s, not '2m'",
      "mesh.yaml:13:7: key 'Get' of policies.inventory.methods must be a method as metrics show it, or all methods of a gRPC service, such as /shop.Inventory/Get or /shop.Inventory/*",
      "mesh.yaml:14:30: unknown key 'connect' in policies.inventory.methods./shop.Inventory/Get (known keys: timeout, idle-stream, balance, flags, retry)",
      "mesh.yaml:14:52: policies.inventory.methods./shop.Inventory/Get.timeout must be a time with its unit (ms, s, m, h) from 1ms to 24h, such as 250ms, or none, not 'soon'",
      'mesh.yaml:15:11: policies.orders must be a mapping with keys such as timeout, idle-stream, balance, not 5',
    ]);
  });

  it('about the service itself are a warning: they are for its callers', () => {
    const { warnings } = readSettings('service: { name: web }\npolicies: { web: {} }', 'mesh.yaml', '/');
    expect(warnings).toEqual([
      {
        at: 'mesh.yaml:2:13',
        message:
          'policies.web is about this service itself: policies are for calls that leave here; give it to its callers, or to all in KV',
      },
    ]);
  });
});

describe('a policy in KV', () => {
  it.each([
    ['YAML', 'timeout: 250ms\nmethods: { /shop.Inventory/Get: { retry: { attempts: 1 } } }'],
    ['JSON', '{"timeout":"250ms","methods":{"/shop.Inventory/Get":{"retry":{"attempts":1}}}}'],
  ])('is read as %s', (_, text) => {
    const kv = { layer: 'kv', service: 'inventory' };
    expect(readPolicy(text, key, 'inventory')).toEqual([
      { ...kv, method: '', words: { timeout: 250 }, origin: `kv ${key}` },
      {
        ...kv,
        method: '/shop.Inventory/Get',
        words: { retry: { attempts: 1 } },
        origin: `kv ${key} methods./shop.Inventory/Get`,
      },
    ]);
  });

  it.each(['', '\n', '# nothing yet\n', '{}'])('may say nothing: %j', (text) => {
    expect(readPolicy(text, key, 'inventory')).toEqual([]);
  });

  it.each([
    ['timeout: [', `${key}:1:11: not valid YAML: `],
    ['timeot: 1s', `${key}:1:1: unknown key 'timeot' in the policy (did you mean 'timeout'?)`],
    [
      'retry:\n  attempts: 0',
      `${key}:2:13: retry.attempts must be a whole number from 1 to 5, such as 3, not 0`,
    ],
    [
      'hello',
      `${key}:1:1: the policy must be a mapping with keys such as timeout, idle-stream, balance, not 'hello'`,
    ],
    [
      'policies: { inventory: {} }',
      `${key}:1:1: unknown key 'policies' in the policy (known keys: timeout, idle-stream, balance, flags, retry, connect, eject, methods)`,
    ],
  ])('%j is refused with key, place and fix', (text, complaint) => {
    expect(complaints(text)[0]).toContain(complaint);
  });

  it('that multiplies by anchors is refused, not expanded', () => {
    const lists = ['a: &a [x,x,x,x,x,x,x,x,x]'];
    for (const [one, before] of ['ba', 'cb', 'dc', 'ed', 'fe', 'gf'].map((pair) => [...pair]))
      lists.push(`${one}: &${one} [${new Array(9).fill(`*${before}`).join(',')}]`);
    expect(complaints(lists.join('\n'))[0]).toContain('Excessive alias count');
  });
});

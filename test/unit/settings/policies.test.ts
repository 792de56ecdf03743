import { describe, expect, it } from 'vitest';
import { Code } from '../../../sidecar/core/status.ts';
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
      "mesh.yaml:8:14: policies.inventory.balance must be peak-ewma, two-choices or round-robin, not 'random'",
      'mesh.yaml:9:24: policies.inventory.retry.attempts must be a whole number from 1 to 5, such as 3, not 6',
      "mesh.yaml:10:23: policies.inventory.flags.express must be a text, quoted where YAML reads something else, of letters, digits, dots, hyphens and underscores, such as 'on', not true",
      "mesh.yaml:11:14: policies.inventory.connect must be a time with its unit (ms, s, m, h) from 1ms to 1m, such as 2s, not '2m'",
      "mesh.yaml:13:7: key 'Get' of policies.inventory.methods must be a method as metrics show it, or all methods of a gRPC service, such as /shop.Inventory/Get or /shop.Inventory/*",
      "mesh.yaml:14:30: unknown key 'connect' in policies.inventory.methods./shop.Inventory/Get (known keys: timeout, unary-timeout, idle-stream, unary, idempotent, balance, flags, retry, hedge, doomed, faults)",
      "mesh.yaml:14:52: policies.inventory.methods./shop.Inventory/Get.timeout must be a time with its unit (ms, s, m, h) from 1ms to 24h, such as 250ms, or none, not 'soon'",
      'mesh.yaml:15:11: policies.orders must be a mapping with keys such as timeout, unary-timeout, idle-stream, not 5',
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

describe('the words of a policy', () => {
  const read = (text: string) => readPolicy(text, key, 'inventory')[0]!.words;
  const wrong = (text: string): string => {
    try {
      read(text);
      return '';
    } catch (thrown) {
      return String(thrown);
    }
  };

  it('are read into milliseconds, codes and null', () => {
    expect(
      read(`unary-timeout: none
unary: true
idempotent: true
retry: { codes: [UNAVAILABLE, ABORTED], first-wait: 5ms, longest-wait: 1s }
hedge: { after: p95, attempts: 3 }
budget: { mode: shadow, percent: 20, floor: 10 }
tokens: { most: 10, ratio: 0.5 }
eject: { mode: off, success: 90, calls: 20, most: 10 }
breaker: { mode: shadow, failures: 7 }
throttle: { mode: on, factor: 1.5 }
doomed: { mode: on }
limit: { in-flight: 10, waiting: 0 }
slow-start: 0ms
zone: ignore
faults: [{ percent: 0.5, delay: 2s }, { percent: 1, abort: reset }, { percent: 2, abort: ABORTED }]`),
    ).toEqual({
      'unary-timeout': null,
      unary: true,
      idempotent: true,
      retry: { codes: [Code.UNAVAILABLE, Code.ABORTED], 'first-wait': 5, 'longest-wait': 1000 },
      hedge: { after: 'p95', attempts: 3 },
      budget: { mode: 'shadow', percent: 20, floor: 10 },
      tokens: { most: 10, ratio: 0.5 },
      eject: { mode: 'off', success: 90, calls: 20, most: 10 },
      breaker: { mode: 'shadow', failures: 7 },
      throttle: { mode: 'on', factor: 1.5 },
      doomed: { mode: 'on' },
      limit: { 'in-flight': 10, waiting: 0 },
      'slow-start': 0,
      zone: 'ignore',
      faults: [
        { percent: 0.5, delay: 2000 },
        { percent: 1, abort: 'reset' },
        { percent: 2, abort: Code.ABORTED },
      ],
    });
  });

  it.each([
    ['retry: { codes: [DEADLINE_EXCEEDED] }', /retry.codes.0 must not be DEADLINE_EXCEEDED: the deadline is/],
    ['retry: { codes: [OK] }', /retry.codes.0 must be the name of a gRPC code, such as UNAVAILABLE/],
    ['hedge: { after: soon }', /hedge.after must be a time with its unit .* or p95, or none/],
    ['budget: { percent: 101 }', /budget.percent must be a whole number of percent from 0 to 100/],
    ['tokens: { ratio: 2 }', /tokens.ratio must be a number from 0.001 to 1/],
    ['eject: { mode: yes }', /eject.mode must be off, shadow or on/],
    ['faults: [{ percent: 1 }]', /faults.0 must say what happens: add 'delay' or 'abort'/],
    [
      'faults: [{ percent: 1, abort: maybe }]',
      /faults.0.abort must be 'reset', 'drop' or the name of a gRPC code/,
    ],
  ])('are refused with what to write: %s', (text, message) => {
    expect(wrong(text)).toMatch(message);
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
      `${key}:1:1: the policy must be a mapping with keys such as timeout, unary-timeout, idle-stream, not 'hello'`,
    ],
    [
      'policies: { inventory: {} }',
      `${key}:1:1: unknown key 'policies' in the policy (known keys: timeout, unary-timeout, idle-stream, unary, idempotent, balance, flags, retry, hedge, doomed, faults, budget, tokens, connect, eject, breaker, throttle, limit, slow-start, zone, placement, methods)`,
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

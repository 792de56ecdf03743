import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Contract, contractOf, contractOfSet, readContract } from '../../../sidecar/core/contract.ts';
import { contractRules } from '../../../sidecar/core/contract-rules.ts';
import { readFileHead } from '../../../sidecar/core/descriptors.ts';

/** test/integration/contracts/shop.proto as protoc 35.1 writes it. */
const shop = Buffer.from(
  '0ad3010a0a73686f702e70726f746f120473686f7022180a044974656d12100a03736b751801200128095203736b75329c010a09' +
    '496e76656e746f727912220a03476574120a2e73686f702e4974656d1a0a2e73686f702e4974656d220390020112220a035075' +
    '74120a2e73686f702e4974656d1a0a2e73686f702e4974656d2203900202121f0a054f72646572120a2e73686f702e4974656d' +
    '1a0a2e73686f702e4974656d12260a055761746368120a2e73686f702e4974656d1a0a2e73686f702e4974656d220390020130' +
    '01620670726f746f33',
  'hex',
);

const get = '/shop.Inventory/Get';
const facts = { unary: true, idempotent: true };

/** What is said when it is refused. */
const refusal = (make: () => unknown): string => {
  try {
    make();
  } catch (thrown) {
    const { reason, message } = thrown as { reason: string; message: string };
    return `${reason}: ${message}`;
  }
  return 'taken';
};

describe('a descriptor set', () => {
  it('of protoc says of each method whether it is unary and idempotent', () => {
    const { hash, document, methods } = contractOfSet(shop);
    expect(document).toBe(
      '{"contract":1,"methods":{"/shop.Inventory/Get":"unary idempotent","/shop.Inventory/Order":"unary","/shop.Inventory/Put":"unary idempotent","/shop.Inventory/Watch":"stream idempotent"}}',
    );
    expect(hash).toBe('e6f3cb3c9eb6428a94e9596c096eace5');
    expect(methods.get('/shop.Inventory/Watch')).toEqual({ unary: false, idempotent: true });
  });

  it.each([
    [
      'is cut off',
      shop.subarray(0, 90),
      /^broken: is no descriptor set \(it is cut off\): write it with 'protoc -o FILE', or/,
    ],
    ['is text', Buffer.from('syntax = "proto3";'), /^broken: is no descriptor set/],
    ['is empty', Buffer.alloc(0), /^empty: describes no service/],
    [
      'is too large',
      Buffer.alloc(4 * 1024 * 1024 + 1),
      /^large: is 4194305 bytes long, and 4 MiB are the most/,
    ],
  ])('that %s is refused with cause and fix', (_, set, said) => {
    expect(refusal(() => contractOfSet(set))).toMatch(said);
  });

  it('of any octets at all is read or refused, and never anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat({ max: shop.length - 1 }), (octets, at) => {
        const spoilt = Buffer.from(shop);
        spoilt.set(octets.subarray(0, shop.length - at), at);
        for (const set of [Buffer.from(octets), spoilt])
          expect(refusal(() => contractOfSet(set))).toMatch(/^(taken$|broken|empty|large)/);
      }),
    );
  });
});

describe('the head of a file', () => {
  it('has its name and imports', () => {
    const file = Buffer.concat([
      Buffer.from([0x0a, 7]),
      Buffer.from('a.proto'),
      Buffer.from([0x1a, 7]),
      Buffer.from('b.proto'),
    ]);
    expect(readFileHead(file)).toEqual({ name: 'a.proto', dependencies: ['b.proto'] });
    expect(() => readFileHead(file.subarray(0, 12))).toThrow('it is cut off');
  });
});

describe('a contract', () => {
  it('is the same whatever the order in which methods are described', () => {
    const one = { path: '/a.A/One', ...facts };
    const two = { path: '/a.A/Two', unary: false, idempotent: false };
    expect(contractOf([one, two]).hash).toBe(contractOf([two, one]).hash);
    expect(contractOf([one]).hash).not.toBe(contractOf([two]).hash);
  });

  it('says the worse of a method that is described twice', () => {
    const twice = contractOf([
      { path: get, ...facts },
      { path: get, unary: true, idempotent: false },
    ]);
    expect(twice.methods.get(get)).toEqual({ unary: true, idempotent: false });
  });

  it('may have 5,000 methods and no more', () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, at) => ({ path: `/a.A/M${at}`, ...facts }));
    expect(contractOf(many(5000)).methods.size).toBe(5000);
    expect(refusal(() => contractOf(many(5001)))).toMatch(/^large: describes 5001 methods in \d+ bytes/);
  });

  it('is read by whoever knows its hash', () => {
    const { document, hash, methods } = contractOfSet(shop);
    expect(readContract(document, hash).methods).toEqual(methods);
  });

  const named = (document: string): [string, string] => {
    const { hash } = hashed(document);
    return [document, hash];
  };
  it.each([
    ['of another hash', ['{}', 'f'.repeat(32)], 'forged: what was sent has the hash 44136fa3'],
    ['that is no JSON', named('{'), 'broken: it is no JSON object'],
    ['that is a list', named('null'), 'broken: it is no JSON object'],
    ['of a later version', named('{"contract":2,"methods":{}}'), 'version: it is of a version'],
    ['without methods', named('{"contract":1}'), 'broken: it has no methods'],
    ['with an odd name', named('{"contract":1,"methods":{"Get":"unary"}}'), "broken: what it says of 'Get'"],
    ['with odd words', named(`{"contract":1,"methods":{"${get}":7}}`), `broken: what it says of '${get}'`],
  ] as [string, [string, string], string][])('%s is refused', (_, [document, hash], said) => {
    expect(refusal(() => readContract(document, hash))).toContain(said);
  });

  it('of a later minor version says what is known of it, and words that are not known say nothing', () => {
    const [document, hash] = named(`{"contract":1,"more":7,"methods":{"${get}":"unary cheap"}}`);
    expect(readContract(document, hash).methods.get(get)).toEqual({ unary: true, idempotent: false });
  });
});

/** Found by asking for a hash that is wrong. */
const hashed = (document: string): { hash: string } => {
  const said = refusal(() => readContract(document, ''));
  return { hash: /the hash (\w+)/.exec(said)![1]! };
};

describe('the rules of contracts', () => {
  const of = (...words: [path: string, unary: boolean, idempotent: boolean][]): Contract =>
    contractOf(words.map(([path, unary, idempotent]) => ({ path, unary, idempotent })));
  const said = (...contracts: Contract[]) =>
    Object.fromEntries(
      contractRules('inventory', contracts).map(({ method, words }) => [
        method,
        [words.unary, words.idempotent],
      ]),
    );

  it('of two versions say only what both do, and what one alone has', () => {
    const old = of([get, true, true], ['/a.A/Old', true, false]);
    const newer = of([get, true, false], ['/a.A/New', false, true]);
    const both = { [get]: [true, false], '/a.A/Old': [true, false], '/a.A/New': [false, true] };
    expect(said(old, newer)).toEqual(both);
    expect(said(newer, old)).toEqual(both);
    expect(said(old)[get]).toEqual([true, true]); // control: the older alone
  });

  it('name the contracts that they are of', () => {
    const contracts = [1, 2, 3, 4, 5].map((at) => of([`/a.A/M${at}`, true, true]));
    const [rule] = contractRules('inventory', contracts.slice(0, 1));
    expect(rule!.origin).toBe(`contract of inventory ${contracts[0]!.hash.slice(0, 8)}…`);
    expect(contractRules('inventory', contracts)[0]!.origin).toMatch(
      /^contract of inventory (\w{8}… and ){3}2 more$/,
    );
  });
});

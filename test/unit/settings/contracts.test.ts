import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readContract } from '../../../sidecar/core/contract.ts';
import { writeField } from '../../../sidecar/core/protobuf.ts';
import { readSettings } from '../../../sidecar/settings/load.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-contracts-'));
afterAll(() => rmSync(folder, { recursive: true }));

const service = Buffer.concat([writeField(1, 'Inventory'), writeField(2, writeField(1, 'Get'))]);
writeFileSync(
  join(folder, 'shop.binpb'),
  writeField(1, Buffer.concat([writeField(2, 'shop'), writeField(6, service)])),
);
writeFileSync(join(folder, 'shop.proto'), 'syntax = "proto3";');

const read = (text: string) => readSettings(text, 'mesh.yaml', folder).settings;
const wrong = (text: string): string => {
  try {
    read(text);
  } catch (thrown) {
    return (thrown as Error).message;
  }
  return 'nothing';
};

describe('service.contract', () => {
  it('may be a descriptor set, a word, or left out', () => {
    const said = read('service: { name: inventory, port: 1, contract: shop.binpb }').service!.contract;
    expect(said).toMatchObject({ path: join(folder, 'shop.binpb') });
    const { document, hash } = said as { document: string; hash: string };
    expect([...readContract(document, hash).methods]).toEqual([
      ['/shop.Inventory/Get', { unary: true, idempotent: false }],
    ]);
    for (const word of ['auto', 'reflection', 'none'])
      expect(read(`service: { name: inventory, port: 1, contract: ${word} }`).service!.contract).toBe(word);
    expect(read('service: { name: inventory, port: 1 }').service!.contract).toBeUndefined();
  });

  it.each([
    [
      'is missing',
      'service: { name: inventory, port: 1, contract: none.binpb }',
      `mesh.yaml:1:48: service.contract ${join(folder, 'none.binpb')} is missing: write it with 'protoc -o FILE', or 'buf build -o FILE'`,
    ],
    [
      'is a .proto file',
      'service: { name: inventory, port: 1, contract: shop.proto }',
      `mesh.yaml:1:48: service.contract ${join(folder, 'shop.proto')} is no descriptor set (it has a field of the wire type 3): write it with 'protoc -o FILE', or 'buf build -o FILE'`,
    ],
    [
      'is of no app',
      'service: { name: inventory, contract: reflection }',
      'mesh.yaml:1:39: service.contract has no app to speak of: add service.port or service.socket, or remove it',
    ],
    [
      'is no text',
      'service: { name: inventory, port: 1, contract: 7 }',
      'mesh.yaml:1:48: service.contract must be the path of a descriptor set, or reflection, auto or none, such as ./orders.binpb, not 7',
    ],
  ])('that %s is told with line, cause and fix', (_, text, said) => {
    expect(wrong(text)).toBe(said);
  });
});

describe('contracts', () => {
  const text = `
service: { name: web }
discovery: { static: { services: { inventory: [127.0.0.1:50051] } } }
identity: none
contracts: { inventory: shop.binpb }
policies: { inventory: { methods: { /shop.Inventory/Get: { idempotent: true } } } }
`;

  it('of called services are policies below those of the file', () => {
    expect(read(text).policies).toEqual([
      {
        layer: 'contract',
        service: 'inventory',
        method: '/shop.Inventory/Get',
        words: { unary: true, idempotent: false },
        origin: expect.stringMatching(/^contract of inventory \w{8}… \(file contracts\.inventory\)$/),
      },
      expect.objectContaining({ layer: 'file', words: { idempotent: true } }),
    ]);
  });

  it('that cannot be read are all told at once', () => {
    expect(wrong(text.replace('shop.binpb', 'none.binpb, orders: shop.proto')).split('\n')).toEqual([
      expect.stringMatching(/^mesh\.yaml:5:25: contracts\.inventory .*none\.binpb is missing/),
      expect.stringMatching(/^mesh\.yaml:5:45: contracts\.orders .*shop\.proto is no descriptor set/),
    ]);
  });
});

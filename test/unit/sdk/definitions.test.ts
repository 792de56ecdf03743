import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { describe, expect, it } from 'vitest';
import type { Client, Methods, ServerInterface } from '../../../sdk/index.ts';
import { type Definition, definition } from '../../../sdk/index.ts';
import { reflectionDefinition } from '../../../sdk/reflection.ts';
import type { ShopServer, Shop as TypedShop } from '../../support/generated/shop.types.ts';
import { Shop as EsShop } from '../../support/generated/shop_pb.ts';
import { ShopService as TsProtoShop } from '../../support/generated/shop_ts_proto.ts';
import { all, far, later, meshAt, plainShop, Shop } from './stage.ts';

const path = join(import.meta.dirname, '../../support/shop.proto');
const loaded = grpc.loadPackageDefinition(loadSync(path, { longs: Number })) as unknown as {
  shop: { v1: { Shop: grpc.ServiceClientConstructor } };
};
const typed: Definition<TypedShop, ShopServer> = definition<TypedShop, ShopServer>(path, 'shop.v1.Shop');

/** Makes one call of each kind; the compiler checks that requests and answers have types. */
const callAll = async (shop: Client<TypedShop>): Promise<unknown[]> => {
  const { left } = await shop.take({ sku: 'oar' });
  const sum: number = (await shop.takeAll([{ sku: 'a', number: 2 }, { number: 5 }])).left;
  const watched = await all(shop.watch({ sku: 'oar' }));
  const counted = await all(shop.count([{ sku: 'oar' }]));
  return [left, sum, watched.map((each) => each.left), counted.map((each) => each.sku)];
};
const answers = [1, 7, [3, 2, 1], ['oar']];

describe('a client has the types and the calls of a definition that', () => {
  it('definition() read, with the interfaces that outrigger types wrote', async () => {
    expect(await callAll((await meshAt(await far())).client(typed, 'shop'))).toEqual(answers);
  });

  it('ts-proto made', async () => {
    const shop = (await meshAt(await far())).client(TsProtoShop, 'shop');
    const { left }: { left: number } = await shop.take({ sku: 'oar', number: 1 });
    // @ts-expect-error: a request of ts-proto has all its fields
    await shop.take({ number: 1 }).catch(() => {});
    expect([left, (await all(shop.watch({ sku: 'oar', number: 0 }))).length]).toEqual([1, 3]);
    expect(await shop.takeAll([{ sku: 'a', number: 2 }])).toMatchObject({ left: 2 });
  });

  it('protoc-gen-es made', async () => {
    const shop = (await meshAt(await far())).client(EsShop, 'shop');
    const { left, $typeName } = await shop.take({ sku: 'oar' });
    // @ts-expect-error: there is no such field
    await shop.take({ skew: 'oar' }).catch(() => {});
    expect([left, $typeName]).toEqual([1, 'shop.v1.Left']);
    expect((await all(shop.count([{ sku: 'oar' }, { sku: 'paddle' }]))).map((each) => each.left)).toEqual([
      3, 6,
    ]);
  });

  it('grpc.loadPackageDefinition made, without types', async () => {
    const shop = (await meshAt(await far())).client(
      loaded.shop.v1.Shop,
      'shop',
    ) as unknown as Client<TypedShop>;
    expect(await callAll(shop)).toEqual(answers);
  });
});

describe('a service is served by a definition that', () => {
  const served = async <D extends object>(
    made: D,
    methods: Methods<ServerInterface<D>>,
  ): Promise<unknown[]> => {
    const mesh = await meshAt(await far());
    const app = await mesh.serve(made, methods, { port: 0 });
    later(() => app.stop(0));
    return callAll((await meshAt(app)).client(typed, 'shop'));
  };

  it('definition() read', async () => expect(await served(Shop, plainShop)).toEqual(answers));

  it('ts-proto made', async () =>
    expect(
      await served(TsProtoShop, {
        take: ({ sku }) => ({ sku, left: 1 }),
        takeAll: async (items) => {
          let left = 0;
          for await (const { number } of items) left += number;
          return { sku: 'all', left };
        },
        watch: async function* ({ sku }) {
          for (let left = 3; left > 0; left--) yield { sku, left };
        },
        count: async function* (items) {
          for await (const { sku } of items) yield { sku, left: 0 };
        },
      }),
    ).toEqual(answers));

  it('protoc-gen-es made', async () =>
    expect(
      await served(EsShop, {
        take: ({ sku }) => ({ sku, left: 1 }),
        takeAll: async (items) => {
          let left = 0;
          for await (const { number } of items) left += number;
          return { left };
        },
        watch: async function* () {
          for (let left = 3; left > 0; left--) yield { left };
        },
        count: async function* (items) {
          for await (const { sku } of items) yield { sku };
        },
      }),
    ).toEqual(answers));
});

describe('what is no definition', () => {
  it.each([[{}], [{ take: 1 }], [{ service: {} }]])('is refused, with what would do: %j', async (made) => {
    const mesh = await meshAt(await far());
    expect(() => mesh.client(made, 'shop')).toThrow(
      /that is no service definition: give what definition\(\)/,
    );
  });
});

describe('server reflection', () => {
  interface Answer {
    readonly messageResponse: string;
    readonly listServicesResponse?: { service: { name: string }[] };
    readonly fileDescriptorResponse?: { fileDescriptorProto: Buffer[] };
  }
  interface Reflecting {
    serverReflectionInfo(questions: AsyncIterable<object>): AsyncIterable<Answer>;
  }

  it.each([
    ['definition()', Shop, 'v1'],
    ['protoc-gen-es', EsShop, 'v1'],
    ['definition()', Shop, 'v1alpha'],
  ] as const)('shows what %s knows, by %s', async (_, made, version) => {
    const mesh = await meshAt(await far());
    const app = await mesh.serve(made as typeof Shop, plainShop, { port: 0 });
    later(() => app.stop(0));
    const asked = reflectionDefinition(version) as Definition<Reflecting>;
    const reflection = (await meshAt(app)).client(asked, 'shop');
    const found = await all(
      reflection.serverReflectionInfo(
        (async function* () {
          yield { listServices: '' };
          yield { fileContainingSymbol: 'shop.v1.Shop.Take' };
          yield { fileContainingSymbol: 'shop.v1.Item' };
          yield { fileByFilename: 'nowhere.proto' };
        })(),
      ),
    );
    expect(found.map((each) => each.messageResponse)).toEqual([
      'listServicesResponse',
      'fileDescriptorResponse',
      'fileDescriptorResponse',
      'errorResponse',
    ]);
    expect(found[0]!.listServicesResponse!.service.map(({ name }) => name)).toContain('shop.v1.Shop');
    expect(String(found[1]!.fileDescriptorResponse!.fileDescriptorProto[0])).toContain('TakeAll');
  });
});

import { AsyncLocalStorage } from 'node:async_hooks';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { protoFolder } from '../../sdk/grpc/load.ts';
import { type Definition, definition, type Methods, type Served } from '../../sdk/index.ts';
import { openServer } from '../../sdk/serve.ts';

export interface Item {
  sku: string;
  number?: number;
}
export interface Left {
  sku: string;
  left: number;
}
export interface Shop {
  take(request: Item): Promise<Left>;
  takeAll(requests: AsyncIterable<Item>): Promise<Left>;
  watch(request: Item): AsyncIterable<Left>;
  count(requests: AsyncIterable<Item>): AsyncIterable<Left>;
}

export const Shop: Definition<Shop> = definition<Shop>(
  // From the package's folder, for the compiler leaves .proto files where they are.
  join(protoFolder(), '../test/support/shop.proto'),
  'shop.v1.Shop',
);

/** A shop that answers simply; tests replace what they are about. */
export const plainShop: Methods<Shop> = {
  take: ({ sku }) => ({ sku, left: 1 }),
  takeAll: async (items) => {
    let left = 0;
    for await (const { number } of items) left += Number(number);
    return { sku: 'all', left };
  },
  watch: async function* ({ sku }) {
    for (let left = 3; left > 0; left--) yield { sku, left };
  },
  count: async function* (items) {
    for await (const { sku } of items) yield { sku, left: sku.length };
  },
};

/** A server of a shop without a mesh. */
export const openShop = (methods: Partial<Methods<Shop>> = {}): Promise<Served> => {
  const home = {
    contexts: new AsyncLocalStorage<never>(),
    now: () => performance.now(),
    middleware: [],
    onError: () => {},
    serving: () => () => {},
  };
  return openServer(grpc, home, Shop, { ...plainShop, ...methods }, { port: 0 });
};

import { AsyncLocalStorage } from 'node:async_hooks';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { afterEach } from 'vitest';
import {
  type ConnectOptions,
  connect,
  type Definition,
  definition,
  type Mesh,
  type Metadata,
} from '../../../sdk/index.ts';
import type { Methods } from '../../../sdk/methods.ts';
import { openServer, type Served } from '../../../sdk/serve.ts';

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
  join(import.meta.dirname, 'shop.proto'),
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

const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Ends something when the test is over. */
export const later = (end: () => unknown): void => void ends.push(end);

/** A server without a mesh; stands for the sidecar and all that is behind it. */
export const far = async (methods: Partial<Methods<Shop>> = {}): Promise<Served> => {
  const home = {
    contexts: new AsyncLocalStorage<never>(),
    now: () => performance.now(),
    middleware: [],
    onError: () => {},
    serving: () => () => {},
  };
  const served = await openServer(grpc, home, Shop, { ...plainShop, ...methods }, { port: 0 });
  later(() => served.stop(0));
  return served;
};

/** An app's mesh whose sidecar is `served`. */
export const meshAt = async (served: Served, options: ConnectOptions = {}): Promise<Mesh> => {
  const mesh = await connect({ sidecar: served.address, ...options });
  later(() => mesh.close());
  return mesh;
};

/** The app under test: serves `methods`, behind a channel that knows nothing of meshes. */
export const near = async (mesh: Mesh, methods: Partial<Methods<Shop>>): Promise<Raw> => {
  const served = await mesh.serve(Shop, { ...plainShop, ...methods }, { port: 0 });
  const channel = new grpc.Client(served.address, grpc.credentials.createInsecure());
  later(async () => {
    channel.close();
    await served.stop(0);
  });
  return { served, channel };
};

export interface Raw {
  readonly served: Served;
  readonly channel: grpc.Client;
}

/** A unary call as any client would make it. */
export const rawTake = (
  { channel }: Raw,
  metadata: Metadata,
  options: { deadline?: number } = {},
): { readonly reply: Promise<Left>; cancel(): void } => {
  const method = Shop['Take'] as grpc.MethodDefinition<Item, Left>;
  let cancel = (): void => {};
  const reply = new Promise<Left>((resolve, reject) => {
    const call = channel.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      { sku: 'oar' },
      grpc.Metadata.fromHttp2Headers(Object.fromEntries(metadata) as Record<string, string>),
      options,
      (error: grpc.ServiceError | null, left?: Left) => (error === null ? resolve(left!) : reject(error)),
    );
    cancel = () => call.cancel();
  });
  return { reply, cancel };
};

/** A promise and what settles it. */
export const gate = <T = void>(): { promise: Promise<T>; open: (value: T) => void } => {
  let open!: (value: T) => void;
  const promise = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { promise, open };
};

/** Everything that a stream says. */
export const all = async <T>(stream: AsyncIterable<T>): Promise<T[]> => {
  const said: T[] = [];
  for await (const each of stream) said.push(each);
  return said;
};

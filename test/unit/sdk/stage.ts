import * as grpc from '@grpc/grpc-js';
import { afterEach } from 'vitest';
import {
  type ConnectOptions,
  connect,
  type Mesh,
  type MeshError,
  type Metadata,
  type Methods,
  type Served,
} from '../../../sdk/index.ts';
import { type Item, type Left, openShop, plainShop, Shop } from '../../support/shop.ts';

export { type Item, type Left, plainShop, Shop };

const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Ends something when the test is over. */
export const later = (end: () => unknown): void => void ends.push(end);

/** A server without a mesh; stands for the sidecar and all that is behind it. */
export const far = async (methods: Partial<Methods<Shop>> = {}): Promise<Served> => {
  const served = await openShop(methods);
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

/** How a call failed. Rejects when it went well. */
export const failureOf = (call: Promise<unknown>): Promise<MeshError> =>
  call.then(
    () => Promise.reject(new Error('the call went well')),
    (thrown: unknown) => thrown as MeshError,
  );

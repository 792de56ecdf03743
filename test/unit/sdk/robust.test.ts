import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { type ClientCall, Code, connect, MeshError, Metadata, type Middleware } from '../../../sdk/index.ts';
import { testMesh } from '../../../sdk/testing/index.ts';
import { all, far, gate, type Item, type Left, later, meshAt, near, rawTake, Shop } from './stage.ts';

const failureOf = (call: Promise<unknown>): Promise<MeshError> =>
  call.then(
    () => new MeshError(0, 'it went well'),
    (error: unknown) => error as MeshError,
  );

describe('what a peer writes', () => {
  it('does not pass for a sidecar that is gone, whatever the text', async () => {
    const server = await far({
      take: (_, call) => {
        call.trailers.set('x-outrigger-attempts', '1'); // as every sidecar says to its app
        throw new MeshError(
          Code.UNAVAILABLE,
          'No connection established. Last error: Error: its database. Resolution note: ',
        );
      },
    });
    const error = await failureOf((await meshAt(server)).client(Shop, 'shop').take({ sku: 'oar' }));
    expect(error).toMatchObject({ decidedBy: 'peer', reached: true });
    expect(error.message).toContain('its database');
  });
});

describe('what an app hands over', () => {
  it('metadata that a stub uses again is left as it is', async () => {
    const server = await far();
    const mesh = await meshAt(server);
    const { service: _, ...definition } = { service: 0, Take: Shop['Take']! };
    const Stub = grpc.makeGenericClientConstructor(definition, 'Shop');
    const stub = new Stub(...mesh.target('shop')) as grpc.Client & Record<string, unknown>;
    later(() => stub.close());
    const shared = new grpc.Metadata();
    const take = (): Promise<unknown> =>
      new Promise((resolve, reject) =>
        (
          stub['Take'] as (
            item: Item,
            metadata: grpc.Metadata,
            done: (error: unknown, left: Left) => void,
          ) => void
        )({ sku: 'oar' }, shared, (error, left) => (error === null ? resolve(left) : reject(error))),
      );
    await mesh.run({ correlationId: 'first' }, take);
    expect(shared.getMap()).toEqual({});
  });

  it('hooks that throw fail the call, and hang nobody', async () => {
    const shop = (await meshAt(await far())).client(Shop, 'shop');
    const thrower = (): never => {
      throw new RangeError('a hook');
    };
    await expect(shop.take({ sku: 'oar' }, { onTrailers: thrower })).rejects.toThrow('a hook');
    await expect(all(shop.watch({ sku: 'oar' }, { onHeaders: thrower }))).rejects.toThrow('a hook');
  });

  it('an onError that throws leaves no caller waiting', async () => {
    const thrower = (): never => {
      throw new RangeError('the logger');
    };
    const mesh = await meshAt(await far(), { onError: thrower });
    const app = await near(mesh, { take: () => thrower() });
    await expect(rawTake(app, new Metadata()).reply).rejects.toMatchObject({ code: Code.UNKNOWN });
  });

  it('requests that do not fit in the middle of a stream are no call that nobody saw', async () => {
    const reading = gate();
    const server = await far({
      takeAll: async (items) => {
        for await (const __ of items) reading.open();
        return { sku: '', left: 0 };
      },
    });
    const shop = (await meshAt(server)).client(Shop, 'shop');
    async function* torn(): AsyncGenerator<Item> {
      yield { sku: 'a' };
      await reading.promise;
      yield { sku: { toString: null } } as never;
    }
    expect(await failureOf(shop.takeAll(torn()))).toMatchObject({
      code: Code.INVALID_ARGUMENT,
      reached: true,
    });
  });

  it('a method that yields what does not fit is closed', async () => {
    const closed = gate();
    const mesh = await meshAt(await far(), { onError: () => {} });
    const { served } = await near(mesh, {
      watch: async function* () {
        try {
          yield { sku: 'a', left: 1 };
          yield { sku: { toString: null } } as never;
        } finally {
          closed.open();
        }
      },
    });
    const shop = (await meshAt(served)).client(Shop, 'shop');
    await expect(all(shop.watch({ sku: 'oar' }))).rejects.toMatchObject({ code: Code.UNKNOWN });
    await closed.promise;
  });
});

it('middleware that never reads an answer opens no call', async () => {
  let opened = 0;
  const server = await far({
    watch: async function* ({ sku }) {
      opened++;
      yield { sku, left: 0 };
    },
  });
  const wasteful: Middleware<ClientCall> = async (call, next) => {
    await next(call);
    return next(call);
  };
  const shop = (await meshAt(server, { clientMiddleware: [wasteful] })).client(Shop, 'shop');
  expect(await all(shop.watch({ sku: 'oar' }))).toHaveLength(1);
  await shop.take({ sku: 'oar' });
  expect(opened).toBe(1);
});

it('a call behind mesh.close() is refused in our words', async () => {
  const mesh = await connect({ sidecar: (await far()).address });
  const shop = mesh.client(Shop, 'shop');
  await mesh.close();
  expect(await failureOf(shop.take({ sku: 'oar' }))).toMatchObject({
    code: Code.UNAVAILABLE,
    decidedBy: 'sdk',
    reached: false,
    message: expect.stringContaining('the mesh was closed'),
  });
});

describe('what is hosted', () => {
  it('is not ended by who hosted it before, however often that stops', async () => {
    const mesh = await testMesh();
    later(() => mesh.close());
    const answers = (left: number) => ({ take: ({ sku }: Item) => ({ sku, left }), ...others });
    const others = { takeAll: () => ({ sku: '', left: 0 }), watch: empty, count: empty } as never as object;
    const first = await mesh.host(Shop, 'shop', answers(1) as never);
    await first.stop();
    await mesh.host(Shop, 'shop', answers(2) as never);
    await first.stop();
    expect((await mesh.client(Shop, 'shop').take({ sku: 'oar' })).left).toBe(2);
  });

  it('may be an object of a class, in tests too; and a test does not wait for what hangs', async () => {
    class Stock {
      readonly #left = 7;
      take({ sku }: Item): Left {
        return { sku, left: this.#left };
      }
      takeAll(): Promise<Left> {
        return new Promise(() => {});
      }
      watch = empty;
      count = empty;
    }
    const mesh = await testMesh();
    await mesh.host(Shop, 'shop', new Stock());
    const shop = mesh.client(Shop, 'shop');
    expect((await shop.take({ sku: 'oar' })).left).toBe(7);
    const hangs = failureOf(shop.takeAll([]));
    const begun = performance.now();
    await mesh.close();
    expect((await hangs).code).toBeGreaterThan(0);
    expect(performance.now() - begun).toBeLessThan(5000);
  });
});

async function* empty(): AsyncGenerator<Left> {}

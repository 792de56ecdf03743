import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { healthDefinition } from '../../../sdk/health.ts';
import { Code, type Context, connect, MeshError, Metadata } from '../../../sdk/index.ts';
import {
  all,
  far,
  gate,
  type Item,
  type Left,
  later,
  meshAt,
  near,
  plainShop,
  rawTake,
  Shop,
} from './stage.ts';

test('a method that throws never hangs its caller, whatever its kind', async () => {
  const thrown: [unknown, Context][] = [];
  const mesh = await meshAt(await far(), { onError: (error, context) => void thrown.push([error, context]) });
  const fail = (): never => {
    throw new RangeError('secret');
  };
  const app = await near(mesh, {
    take: async () => fail(),
    takeAll: fail,
    watch: async function* () {
      yield { sku: 'first', left: 1 };
      fail();
    },
    count: fail,
  });
  const shop = (await meshAt(app.served)).client(Shop, 'shop');
  const seen: Left[] = [];
  for (const call of [
    () => shop.take({ sku: 'oar' }),
    () => shop.takeAll([{ sku: 'oar' }]),
    () => all(shop.count([{ sku: 'oar' }])),
    async () => {
      for await (const left of shop.watch({ sku: 'oar' })) seen.push(left);
    },
  ])
    await expect(call()).rejects.toMatchObject({
      code: Code.UNKNOWN,
      message: expect.stringMatching(
        /^\/shop\.v1\.Shop\/\w+ threw: its log says what, under the id [0-9a-f]{32}$/,
      ),
    });
  expect(seen).toEqual([{ sku: 'first', left: 1 }]);
  expect(thrown.map(([error]) => (error as Error).message)).toEqual(['secret', 'secret', 'secret', 'secret']);
  expect(thrown[0]![1].method).toBe('/shop.v1.Shop/Take');
});

test('a MeshError is told as it is, trailers too, and is no surprise for the log', async () => {
  const thrown: unknown[] = [];
  const mesh = await meshAt(await far(), { onError: (error) => void thrown.push(error) });
  const app = await near(mesh, {
    take: (_, call) => {
      call.trailers.set('why', 'sold');
      throw new MeshError(Code.RESOURCE_EXHAUSTED, 'sold out');
    },
  });
  const error = await rawTake(app, new Metadata()).reply.catch((caught) => caught);
  expect(error).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, details: 'sold out' });
  expect(error.metadata.get('why')).toEqual(['sold']);
  expect(thrown).toEqual([]);
});

test('an answer that does not fit its definition is a failure for both sides, not silence', async () => {
  const thrown: unknown[] = [];
  const mesh = await meshAt(await far(), { onError: (error) => void thrown.push(error) });
  const app = await near(mesh, { take: () => undefined as unknown as Left });
  await expect(rawTake(app, new Metadata()).reply).rejects.toMatchObject({ code: Code.UNKNOWN });
  expect((thrown[0] as Error).message).toBe('/shop.v1.Shop/Take: the answer does not fit its definition');
});

test('a service without an answer for each method is refused at once', async () => {
  const mesh = await meshAt(await far());
  const { take } = plainShop;
  await expect(mesh.serve(Shop, { take } as never, { port: 0 })).rejects.toThrow(
    "nothing answers /shop.v1.Shop/TakeAll: add a function 'takeAll'",
  );
});

test('a slow reader holds the stream back', async () => {
  let made = 0;
  const stopped = gate();
  const mesh = await meshAt(
    await far({
      watch: async function* (_, call) {
        call.signal.addEventListener('abort', () => stopped.open());
        for (;;) {
          made++;
          yield { sku: 'x'.repeat(64 * 1024), left: made };
        }
      },
    }),
  );
  const watch = mesh.client(Shop, 'shop').watch({ sku: 'oar' })[Symbol.asyncIterator]();
  await watch.next();
  // Several turns of the event loop, in which an unbounded stream would go on.
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(made).toBeLessThan(100);
  await watch.return!();
  await stopped.promise;
});

test('a caller that leaves ends the requests that a method still reads', async () => {
  const reading = gate();
  const ended = gate<unknown>();
  const server = await far({
    takeAll: async (items) => {
      try {
        for await (const _ of items) reading.open();
      } catch (error) {
        ended.open(error);
        throw error;
      }
      return { sku: '', left: 0 };
    },
  });
  const shop = (await meshAt(server)).client(Shop, 'shop');
  const controller = new AbortController();
  const silence = gate();
  async function* slow(): AsyncGenerator<Item> {
    yield { sku: 'a' };
    await silence.promise;
  }
  const call = shop.takeAll(slow(), { signal: controller.signal });
  await reading.promise;
  controller.abort();
  await expect(call).rejects.toMatchObject({ code: Code.CANCELLED });
  expect(await ended.promise).toMatchObject({ code: Code.CANCELLED });
  silence.open();
});

test('health is served, follows what the app says, and is watched', async () => {
  const mesh = await meshAt(await far());
  const { served } = await near(mesh, {});
  const health = (await meshAt(served)).client(healthDefinition(), 'shop');
  expect(await health.check({ service: '' })).toEqual({ status: 'SERVING' });
  expect(await health.check({ service: 'shop.v1.Shop' })).toEqual({ status: 'SERVING' });
  await expect(health.check({ service: 'shop.v1.Other' })).rejects.toMatchObject({ code: Code.NOT_FOUND });
  const seen: string[] = [];
  for await (const { status } of health.watch({ service: '' })) {
    seen.push(status);
    if (seen.length === 3) break;
    served.serving(seen.length === 2);
  }
  expect(seen).toEqual(['SERVING', 'NOT_SERVING', 'SERVING']);
});

test('stopping lets calls finish, and cuts them when their time is over', async () => {
  const mesh = await meshAt(await far());
  const begun = gate();
  const go = gate();
  const app = await near(mesh, {
    take: async ({ sku }) => {
      begun.open();
      await go.promise;
      return { sku, left: 5 };
    },
  });
  const call = rawTake(app, new Metadata());
  await begun.promise;
  const stopped = app.served.stop();
  go.open();
  expect((await call.reply).left).toBe(5);
  await stopped;

  const forever = await near(mesh, { take: () => new Promise<Left>(() => {}) });
  const cut = rawTake(forever, new Metadata()).reply.catch((error) => error);
  const connected = gate();
  forever.channel.waitForReady(Date.now() + 2000, () => connected.open());
  await connected.promise;
  await forever.served.stop(20);
  expect(await cut).toMatchObject({ code: expect.toBeOneOf([Code.UNAVAILABLE, Code.CANCELLED]) });
});

test('an app may answer at a unix socket, one that a killed process left behind included', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sdk-'));
  later(() => rm(folder, { recursive: true }));
  const socket = join(folder, 'app.sock');
  const stale = createServer();
  await new Promise<void>((resolve) => stale.listen(socket, resolve));
  const mesh = await meshAt(await far());
  await expect(mesh.serve(Shop, plainShop, { socket })).rejects.toThrow(
    /^cannot serve at unix:.*app\.sock: .*; is another process there\?$/,
  );
  await new Promise<void>((resolve) => stale.close(() => resolve()));
  const served = await mesh.serve(Shop, plainShop, { socket });
  later(() => served.stop(0));
  const through = await connect({ sidecar: served.address });
  later(() => through.close());
  expect(await through.client(Shop, 'shop').take({ sku: 'oar' })).toEqual({ sku: 'oar', left: 1 });
});

test('a service can be added beside the first', async () => {
  const mesh = await meshAt(await far());
  const { served } = await near(mesh, {});
  expect(() => served.add(Shop, plainShop)).toThrow();
});

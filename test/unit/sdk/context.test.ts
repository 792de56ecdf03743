import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Code, type Context, type InboundCall, MeshError, Metadata } from '../../../sdk/index.ts';
import { far, gate, type Left, meshAt, near, rawTake, Shop } from './stage.ts';

const words = (): Metadata => {
  const metadata = new Metadata();
  metadata.set('x-request-id', 'req-1');
  metadata.set('x-outrigger-caller', 'web');
  metadata.set('x-outrigger-token', 'token-1');
  metadata.set('traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
  metadata.set('tracestate', 'a=b');
  metadata.set('baggage', 'ff.express=on,tenant=acme');
  return metadata;
};

test('the context is that of the call, across awaits and timers, and of no other', async () => {
  const mesh = await meshAt(await far());
  const seen: (Context | null)[] = [];
  const app = await near(mesh, {
    take: async ({ sku }) => {
      seen.push(mesh.context());
      await pause(1);
      seen.push(mesh.context());
      await new Promise<void>((resolve) =>
        setTimeout(() => {
          seen.push(mesh.context());
          resolve();
        }, 1),
      );
      return { sku, left: 0 };
    },
  });
  await rawTake(app, words()).reply;
  expect(seen.map((context) => context?.correlationId)).toEqual(['req-1', 'req-1', 'req-1']);
  expect(seen[0]).toMatchObject({ caller: 'web', method: '/shop.v1.Shop/Take', deadline: null });
  expect(seen[0]!.flags.variant('express')).toBe('on');
  expect(mesh.context()).toBeNull();
  expect(mesh.logMixin()).toEqual({});
});

test('two calls at once keep their contexts apart', async () => {
  const mesh = await meshAt(await far());
  const both = gate();
  let waiting = 0;
  const app = await near(mesh, {
    take: async () => {
      if (++waiting === 2) both.open();
      await both.promise;
      return { sku: String(mesh.logMixin()['correlationId']), left: 0 };
    },
  });
  const [one, two] = ['one', 'two'].map((id) => {
    const metadata = new Metadata();
    metadata.set('x-request-id', id);
    return rawTake(app, metadata).reply;
  });
  expect((await one!).sku).toBe('one');
  expect((await two!).sku).toBe('two');
});

test('the context holds in streams, on both sides of a yield', async () => {
  const mesh = await meshAt(await far());
  const app = await near(mesh, {
    count: async function* (items) {
      for await (const _ of items) {
        yield { sku: mesh.context()?.correlationId ?? 'lost', left: 0 };
        await pause(1);
        yield { sku: mesh.context()?.correlationId ?? 'lost', left: 1 };
      }
    },
  });
  const caller = await meshAt(app.served);
  const ids: string[] = [];
  await caller.run({ correlationId: 'stream-1' }, async () => {
    for await (const { sku } of caller.client(Shop, 'shop').count([{ sku: 'a' }, { sku: 'b' }]))
      ids.push(sku);
  });
  expect(ids).toEqual(['stream-1', 'stream-1', 'stream-1', 'stream-1']);
});

test('calls made inside a call pass on its words', async () => {
  const passed: Metadata[] = [];
  const mesh = await meshAt(
    await far({
      take: ({ sku }, call) => {
        passed.push(call.metadata);
        return { sku, left: 0 };
      },
    }),
  );
  const shop = mesh.client(Shop, 'shop');
  const app = await near(mesh, { take: (item) => shop.take(item) });
  await rawTake(app, words()).reply;
  const said = Object.fromEntries(passed[0]!);
  expect(said).toMatchObject({
    'x-request-id': 'req-1',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    tracestate: 'a=b',
    baggage: 'ff.express=on,tenant=acme',
    'x-outrigger-token': 'token-1',
  });
  expect(said).not.toHaveProperty('x-outrigger-caller');
});

test('what is left of the deadline goes with the calls made inside, and the shorter one wins', async () => {
  const left: number[] = [];
  const mesh = await meshAt(
    await far({
      take: ({ sku }, call) => {
        left.push(call.remainingMs());
        return { sku, left: 0 };
      },
    }),
  );
  const shop = mesh.client(Shop, 'shop');
  const app = await near(mesh, {
    take: async (item, call) => {
      left.push(call.remainingMs());
      await shop.take(item);
      await shop.take(item, { timeout: 60_000 });
      return shop.take(item, { timeout: 1000 });
    },
  });
  await rawTake(app, words(), { deadline: Date.now() + 5000 }).reply;
  const [own, first, second, third] = left as [number, number, number, number];
  expect(own).toBeGreaterThan(4000);
  expect(own).toBeLessThanOrEqual(5000);
  expect(first).toBeLessThanOrEqual(own + 1);
  expect(second).toBeLessThanOrEqual(own + 1);
  expect(third).toBeLessThanOrEqual(1001);
});

test('a call without a deadline gives none', async () => {
  let left = 0;
  const mesh = await meshAt(
    await far({
      take: ({ sku }, call) => {
        left = call.remainingMs();
        return { sku, left: 0 };
      },
    }),
  );
  await mesh.client(Shop, 'shop').take({ sku: 'oar' });
  expect(left).toBe(Number.POSITIVE_INFINITY);
});

test('a cancelled call cancels what was called inside it', async () => {
  const begun = gate();
  const stopped = gate();
  const ended = gate<unknown>();
  const mesh = await meshAt(
    await far({
      take: (_, call) => {
        begun.open();
        return new Promise<Left>(() => call.signal.addEventListener('abort', () => stopped.open()));
      },
    }),
  );
  const shop = mesh.client(Shop, 'shop');
  const app = await near(mesh, {
    take: async (item) => {
      try {
        return await shop.take(item);
      } catch (error) {
        ended.open(error);
        throw error;
      }
    },
  });
  const call = rawTake(app, words());
  await begun.promise;
  call.cancel();
  await expect(call.reply).rejects.toMatchObject({ code: Code.CANCELLED });
  await stopped.promise;
  expect(await ended.promise).toMatchObject({
    code: Code.CANCELLED,
    correlationId: 'req-1',
    decidedBy: 'sdk',
  });
});

test('an answered call does not cancel what it left running; a detached one outlives its deadline', async () => {
  const running = gate<InboundCall>();
  const go = gate();
  const done = gate<Left>();
  const mesh = await meshAt(
    await far({
      take: async ({ sku }, call) => {
        running.open(call);
        await go.promise;
        return { sku, left: call.signal.aborted ? -1 : 7 };
      },
    }),
  );
  const shop = mesh.client(Shop, 'shop');
  const app = await near(mesh, {
    take: async (item) => {
      mesh.detach(() => shop.take(item).then(done.open));
      await running.promise;
      return { sku: 'answered', left: 0 };
    },
  });
  expect(await rawTake(app, words(), { deadline: Date.now() + 2000 }).reply).toEqual({
    sku: 'answered',
    left: 0,
  });
  const inner = await running.promise;
  expect(inner.correlationId).toBe('req-1');
  expect(inner.remainingMs()).toBe(Number.POSITIVE_INFINITY);
  go.open();
  expect((await done.promise).left).toBe(7);
});

test('work of our own has an id and a deadline for all its calls', async () => {
  const ids: string[] = [];
  const mesh = await meshAt(
    await far({
      take: ({ sku }, call) => {
        ids.push(call.correlationId);
        return { sku, left: Math.ceil(call.remainingMs() / 1000) };
      },
    }),
  );
  const shop = mesh.client(Shop, 'shop');
  const left = await mesh.run({ correlationId: 'nightly', timeout: '3s' }, async () => {
    await shop.take({ sku: 'a' });
    return (await shop.take({ sku: 'b' })).left;
  });
  expect(ids).toEqual(['nightly', 'nightly']);
  expect(left).toBe(3);
  await expect(mesh.run({ timeout: 0 }, () => shop.take({ sku: 'c' }))).rejects.toThrow(MeshError);
});

import { createServer } from 'node:http2';
import { expect, test } from 'vitest';
import { Code, connect, MeshError, Metadata } from '../../../sdk/index.ts';
import { all, far, gate, type Item, type Left, later, meshAt, near, rawTake, Shop } from './stage.ts';

test('all four kinds of calls are promises and async iterables', async () => {
  const shop = (await meshAt(await far())).client(Shop, 'shop');
  expect(await shop.take({ sku: 'oar' })).toEqual({ sku: 'oar', left: 1 });
  expect(
    await shop.takeAll([
      { sku: 'a', number: 2 },
      { sku: 'b', number: 5 },
    ]),
  ).toEqual({ sku: 'all', left: 7 });
  const watched: number[] = [];
  for await (const { left } of shop.watch({ sku: 'oar' })) watched.push(left);
  expect(watched).toEqual([3, 2, 1]);
  const counted: Left[] = [];
  for await (const left of shop.count([{ sku: 'oar' }, { sku: 'paddle' }])) counted.push(left);
  expect(counted).toEqual([
    { sku: 'oar', left: 3 },
    { sku: 'paddle', left: 6 },
  ]);
});

test('a bidirectional call can be a conversation, and goes on when one side has said all', async () => {
  const shop = (await meshAt(await far())).client(Shop, 'shop');
  const heard = gate<string>();
  async function* talk(): AsyncGenerator<Item> {
    yield { sku: 'a' };
    yield { sku: await heard.promise };
  }
  const said: string[] = [];
  for await (const { sku } of shop.count(talk())) {
    said.push(sku);
    if (sku === 'a') heard.open('because of a');
  }
  expect(said).toEqual(['a', 'because of a']);
});

test('every call names its service in :authority, over one connection', async () => {
  const http2 = createServer();
  const seen: string[] = [];
  const sessions = new Set<unknown>();
  http2.on('stream', (stream, headers) => {
    seen.push(String(headers[':authority']));
    sessions.add(stream.session);
    stream.respond({ 'content-type': 'application/grpc', 'grpc-status': '5' }, { endStream: true });
  });
  await new Promise<void>((resolve) => http2.listen(0, '127.0.0.1', resolve));
  later(() => http2.close());
  const { port } = http2.address() as { port: number };
  const mesh = await connect({ sidecar: `127.0.0.1:${port}` });
  later(() => mesh.close());
  await expect(mesh.client(Shop, 'inventory').take({ sku: 'oar' })).rejects.toThrow(MeshError);
  await expect(mesh.client(Shop, 'orders').take({ sku: 'oar' })).rejects.toThrow(MeshError);
  expect(seen).toEqual(['inventory', 'orders']);
  expect(sessions.size).toBe(1);
});

test('a failure is a MeshError with code, message, id and who decided', async () => {
  const server = await far({
    take: (_, call) => {
      if (call.metadata.get('far') === 'away') call.trailers.set('x-outrigger-reached', 'false');
      throw new MeshError(Code.NOT_FOUND, 'no such sku');
    },
  });
  const shop = (await meshAt(server)).client(Shop, 'shop');
  const error = await shop.take({ sku: 'oar' }).catch((thrown: unknown) => thrown as MeshError);
  expect(error).toBeInstanceOf(MeshError);
  expect(error).toMatchObject({
    code: Code.NOT_FOUND,
    codeName: 'NOT_FOUND',
    message: 'no such sku',
    service: 'shop',
    method: '/shop.v1.Shop/Take',
    decidedBy: 'peer',
    reached: true,
  });
  expect((error as MeshError).correlationId).toMatch(/^[0-9a-f]{32}$/);
  const refused = await shop.take({ sku: 'oar' }, { metadata: { far: 'away' } }).catch((thrown) => thrown);
  expect(refused).toMatchObject({ decidedBy: 'mesh', reached: false });
});

test('a call ends at its timeout, and a signal cancels it', async () => {
  const stopped = gate();
  const shop = (
    await meshAt(
      await far({
        take: (_, call) =>
          new Promise<Left>(() => call.signal.addEventListener('abort', () => stopped.open())),
      }),
    )
  ).client(Shop, 'shop');
  await expect(shop.take({ sku: 'oar' }, { timeout: 30 })).rejects.toMatchObject({
    code: Code.DEADLINE_EXCEEDED,
  });
  await stopped.promise;
  const controller = new AbortController();
  const call = shop.take({ sku: 'oar' }, { signal: controller.signal });
  controller.abort();
  await expect(call).rejects.toMatchObject({ code: Code.CANCELLED, decidedBy: 'sdk' });
  await expect(shop.take({ sku: 'oar' }, { signal: controller.signal })).rejects.toMatchObject({
    code: Code.CANCELLED,
  });
  await expect(shop.take({ sku: 'oar' }, { timeout: 0 })).rejects.toMatchObject({
    code: Code.DEADLINE_EXCEEDED,
    decidedBy: 'sdk',
  });
});

test('leaving the loop over a stream cancels the call', async () => {
  const stopped = gate();
  const shop = (
    await meshAt(
      await far({
        watch: async function* ({ sku }, call) {
          call.signal.addEventListener('abort', () => stopped.open());
          for (let left = 0; ; left++) yield { sku, left };
        },
      }),
    )
  ).client(Shop, 'shop');
  for await (const { left } of shop.watch({ sku: 'oar' })) if (left === 2) break;
  await stopped.promise;
});

test('requests that throw end the call, and the caller gets what was thrown', async () => {
  const reading = gate();
  const stopped = gate();
  const shop = (
    await meshAt(
      await far({
        takeAll: async (items, call) => {
          call.signal.addEventListener('abort', () => stopped.open());
          for await (const _ of items) reading.open();
          return { sku: '', left: 0 };
        },
      }),
    )
  ).client(Shop, 'shop');
  async function* torn(): AsyncGenerator<Item> {
    yield { sku: 'a' };
    await reading.promise;
    throw new RangeError('torn');
  }
  await expect(shop.takeAll(torn())).rejects.toThrow(RangeError);
  await stopped.promise;
  await expect(all(shop.count(torn()))).rejects.toThrow(RangeError);
});

test('without a sidecar connecting fails, saying where it looked and what to do', async () => {
  await expect(connect({ sidecar: '127.0.0.1:1', timeout: 50 })).rejects.toThrow(
    /no sidecar answers at 127\.0\.0\.1:1 within 50 ms: start the app with 'outrigger run'/,
  );
});

test('a sidecar that has gone is named in the error', async () => {
  const server = await far();
  const mesh = await meshAt(server);
  await server.stop(0);
  await expect(mesh.client(Shop, 'shop').take({ sku: 'oar' })).rejects.toMatchObject({
    code: Code.UNAVAILABLE,
    decidedBy: 'sdk',
    message: expect.stringContaining(`the sidecar at ${server.address} does not answer`),
  });
});

test('a proxy in the environment is not used', async () => {
  const before = process.env['http_proxy'];
  process.env['http_proxy'] = 'http://127.0.0.1:1';
  later(() => {
    if (before === undefined) delete process.env['http_proxy'];
    else process.env['http_proxy'] = before;
  });
  const shop = (await meshAt(await far())).client(Shop, 'shop');
  expect(await shop.take({ sku: 'oar' })).toEqual({ sku: 'oar', left: 1 });
});

test('an unread stream is never opened', async () => {
  let opened = 0;
  const server = await far({
    watch: async function* ({ sku }) {
      opened++;
      yield { sku, left: 0 };
    },
  });
  const mesh = await meshAt(server);
  mesh.client(Shop, 'shop').watch({ sku: 'oar' });
  const app = await near(mesh, {});
  await rawTake(app, new Metadata()).reply;
  expect(opened).toBe(0);
});

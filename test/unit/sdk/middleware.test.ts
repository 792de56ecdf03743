import { expect, test } from 'vitest';
import { type ClientCall, Code, MeshError, type Middleware, type ServerCall } from '../../../sdk/index.ts';
import { all, far, type Left, meshAt, near, Shop } from './stage.ts';

test('middleware of a client goes around all four kinds of calls, the first outermost', async () => {
  const seen: string[] = [];
  const named =
    (name: string): Middleware<ClientCall> =>
    async (call, next) => {
      seen.push(`${name} before ${call.method.split('/')[2]}`);
      const answer = await next(call);
      seen.push(`${name} after`);
      return answer;
    };
  const mesh = await meshAt(await far(), { clientMiddleware: [named('outer'), named('inner')] });
  const shop = mesh.client(Shop, 'shop');
  await shop.take({ sku: 'oar' });
  expect(seen.splice(0)).toEqual(['outer before Take', 'inner before Take', 'inner after', 'outer after']);
  await shop.takeAll([{ sku: 'oar' }]);
  await all(shop.watch({ sku: 'oar' }));
  await all(shop.count([{ sku: 'oar' }]));
  expect(seen.filter((each) => each.startsWith('outer before'))).toEqual([
    'outer before TakeAll',
    'outer before Watch',
    'outer before Count',
  ]);
});

test('middleware may change a request and its options, and an answer', async () => {
  const mesh = await meshAt(
    await far({ take: ({ sku }, call) => ({ sku: `${sku} of ${call.metadata.get('tenant')}`, left: 1 }) }),
    {
      clientMiddleware: [
        async (call, next) => {
          const options = { ...call.options, metadata: { tenant: 'north' } };
          const left = (await next({ ...call, request: { sku: 'paddle' }, options })) as Left;
          return { ...left, left: left.left + 41 };
        },
      ],
    },
  );
  expect(await mesh.client(Shop, 'shop').take({ sku: 'oar' })).toEqual({ sku: 'paddle of north', left: 42 });
});

test('middleware of a stream sees each message when it wraps them', async () => {
  const mesh = await meshAt(await far(), {
    clientMiddleware: [
      async (call, next) => {
        const answer = await next(call);
        if (!call.responseStream) return answer;
        return (async function* () {
          for await (const left of answer as AsyncIterable<Left>) yield { ...left, left: left.left * 10 };
        })();
      },
    ],
  });
  const watched = await all(mesh.client(Shop, 'shop').watch({ sku: 'oar' }));
  expect(watched.map(({ left }) => left)).toEqual([30, 20, 10]);
});

test('middleware of a server sees who calls, inside the context, and may refuse', async () => {
  const seen: ServerCall[] = [];
  const mesh = await meshAt(await far(), {
    serverMiddleware: [
      async (call, next) => {
        seen.push(call);
        expect(mesh.context()?.correlationId).toBe(call.context.correlationId);
        if (call.metadata.get('tenant') === 'south')
          throw new MeshError(Code.PERMISSION_DENIED, 'not from there');
        return next(call);
      },
    ],
  });
  const { served } = await near(mesh, {});
  const shop = (await meshAt(served)).client(Shop, 'shop');
  expect(await shop.take({ sku: 'oar' }, { metadata: { tenant: 'north' } })).toEqual({ sku: 'oar', left: 1 });
  await expect(shop.take({ sku: 'oar' }, { metadata: { tenant: 'south' } })).rejects.toMatchObject({
    code: Code.PERMISSION_DENIED,
    message: 'not from there',
  });
  await all(shop.watch({ sku: 'oar' }));
  expect(seen.map(({ method }) => method)).toEqual([
    '/shop.v1.Shop/Take',
    '/shop.v1.Shop/Take',
    '/shop.v1.Shop/Watch',
  ]);
});

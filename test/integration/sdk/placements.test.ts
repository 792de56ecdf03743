import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Code, type Context, MeshError, Metadata } from '../../../sdk/index.ts';
import { local, out } from '../../support/placements.ts';
import { all, failureOf, gate, type Item, type Left } from '../../unit/sdk/stage.ts';

describe.each([
  ['in the same process', local],
  ['behind two sidecars', out],
] as const)('a service %s', (_, placed) => {
  it('answers all four kinds of calls', async () => {
    const { shop } = await placed();
    expect(await shop.take({ sku: 'oar' })).toEqual({ sku: 'oar', left: 1 });
    expect(
      await shop.takeAll([
        { sku: 'a', number: 2 },
        { sku: 'b', number: 5 },
      ]),
    ).toEqual({
      sku: 'all',
      left: 7,
    });
    expect((await all(shop.watch({ sku: 'oar' }))).map(({ left }) => left)).toEqual([3, 2, 1]);
    expect(await all(shop.count([{ sku: 'oar' }, { sku: 'paddle' }]))).toEqual([
      { sku: 'oar', left: 3 },
      { sku: 'paddle', left: 6 },
    ]);
  });

  it('fails with code, message, details and trailers', async () => {
    const { shop } = await placed({
      take: (_, call) => {
        call.trailers.set('reason', 'sold');
        call.trailers.set('proof-bin', Buffer.from([0, 255]));
        throw new MeshError(Code.NOT_FOUND, 'no such sku: öl', {
          details: [{ type: 'google.rpc.ErrorInfo', reason: 'SOLD', domain: 'shop' }],
        });
      },
    });
    const error = await failureOf(shop.take({ sku: 'oar' }));
    expect(error).toMatchObject({
      code: Code.NOT_FOUND,
      message: 'no such sku: öl',
      decidedBy: 'peer',
      reached: true,
      attempts: 1,
      service: 'shop',
    });
    expect(error.details).toMatchObject([{ type: 'google.rpc.ErrorInfo', reason: 'SOLD' }]);
    expect(error.trailers.text('reason')).toBe('sold');
    expect(error.trailers.get('proof-bin')).toEqual(Buffer.from([0, 255]));
  });

  it('tells of a method that throws by the id in its log, and answers the next call', async () => {
    const heard: string[] = [];
    const onError = (thrown: unknown, context: Context): void =>
      void heard.push(`${(thrown as Error).message} ${context.correlationId}`);
    const { shop } = await placed(
      {
        take: ({ sku }) => {
          if (sku === 'bad') throw new RangeError('a bug');
          return { sku, left: 1 };
        },
      },
      { callee: { onError } },
    );
    const error = await failureOf(shop.take({ sku: 'bad' }));
    expect(error).toMatchObject({ code: Code.UNKNOWN, decidedBy: 'peer' });
    expect(error.message).toContain(error.correlationId);
    expect(heard).toEqual([`a bug ${error.correlationId}`]);
    expect(await shop.take({ sku: 'good' })).toEqual({ sku: 'good', left: 1 });
  });

  it('shares no message with its caller', async () => {
    const kept: Item[] = [];
    const { shop } = await placed({
      take: (item) => {
        kept.push(item);
        const left = { sku: item.sku, left: 1 };
        setImmediate(() => {
          left.sku = 'changed by the service';
        });
        item.sku = 'changed by the service';
        return left;
      },
    });
    const item = { sku: 'oar', number: 1 };
    const call = shop.take(item);
    item.sku = 'changed by the caller';
    const left = await call;
    expect(left).toEqual({ sku: 'oar', left: 1 });
    expect(item.sku).toBe('changed by the caller');
    left.sku = 'changed again';
    expect(kept).toEqual([{ sku: 'changed by the service', number: 1 }]);
  });

  it('is called through the middleware of both sides', async () => {
    const seen: string[] = [];
    const { shop } = await placed(
      {},
      {
        caller: {
          clientMiddleware: [
            async (call, next) => {
              seen.push(`client ${call.method}`);
              const answer = (await next(call)) as Left;
              return { ...answer, left: answer.left + 1 };
            },
          ],
        },
        callee: {
          serverMiddleware: [
            async (call, next) => {
              seen.push(`server ${call.context.caller}`);
              const answer = (await next(call)) as Left;
              return { ...answer, left: answer.left * 10 };
            },
          ],
        },
      },
    );
    expect(await shop.take({ sku: 'oar' })).toEqual({ sku: 'oar', left: 11 });
    expect(seen).toEqual(['client /shop.v1.Shop/Take', 'server web']);
  });

  it('knows its caller, the id, the flags and the metadata, but nothing else of the process', async () => {
    const secrets = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const { shop, mesh } = await placed({
      take: async ({ sku }, call) => {
        await pause(1);
        const { caller, correlationId, method } = call;
        const { metadata } = call;
        seen.push({ caller, correlationId, method, express: call.flags.variant('express') });
        seen.push(metadata.getAll('x-tag'), metadata.get('x-octets-bin'), secrets.getStore() ?? 'nothing');
        seen.push(call.traceparent.length, call.deadline !== null);
        call.sendHeaders(new Metadata({ 'x-first': 'yes' }));
        return { sku, left: 1 };
      },
    });
    const metadata = new Metadata({ 'x-tag': ['a', 'b'], 'x-octets-bin': Buffer.from([1, 0, 255]) });
    const headers = gate<Metadata>();
    const trailers = gate<Metadata>();
    const call = (): Promise<Left> =>
      shop.take({ sku: 'oar' }, { metadata, onHeaders: headers.open, onTrailers: trailers.open });
    await secrets.run('secret', () => mesh.run({ correlationId: 'job-1' }, call));
    expect(seen).toEqual([
      { caller: 'web', correlationId: 'job-1', method: '/shop.v1.Shop/Take', express: 'on' },
      ['a, b'],
      Buffer.from([1, 0, 255]),
      'nothing',
      55,
      true,
    ]);
    expect((await headers.promise).text('x-first')).toBe('yes');
    expect((await trailers.promise).has('grpc-status')).toBe(false);
  });

  it('is tried again where a policy says that it may be', async () => {
    let tries = 0;
    const { shop } = await placed({
      take: ({ sku }) => {
        if (++tries < 3) throw new MeshError(Code.UNAVAILABLE, 'not now');
        return { sku, left: tries };
      },
      takeAll: async () => {
        tries++;
        throw new MeshError(Code.UNAVAILABLE, 'never');
      },
    });
    expect(await shop.take({ sku: 'oar' })).toEqual({ sku: 'oar', left: 3 });
    tries = 0;
    expect(await failureOf(shop.takeAll([]))).toMatchObject({ code: Code.UNAVAILABLE, attempts: 1 });
    expect(tries).toBe(1);
  });

  it('passes its calls on: same id, no later deadline, cancelled with the call', async () => {
    const inner = gate<Context>();
    const stopped = gate();
    const { shop, within } = await placed({
      take: async ({ sku }, call) => {
        inner.open(call);
        call.signal.addEventListener('abort', () => stopped.open());
        await stopped.promise;
        return { sku, left: 0 };
      },
      watch: async function* ({ sku }) {
        yield await nested({ sku });
      },
    });
    const nested = (item: Item): Promise<Left> => within.take(item);
    const error = await failureOf(all(shop.watch({ sku: 'oar' }, { timeout: 300 })));
    expect(error.code).toBe(Code.DEADLINE_EXCEEDED);
    expect((await inner.promise).correlationId).toBe(error.correlationId);
    await stopped.promise;
  });
});

import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Code, type MeshError } from '../../../sdk/index.ts';
import { local, out } from '../../support/placements.ts';
import { all, failureOf, gate, type Item } from '../../unit/sdk/stage.ts';

/** A message that no window takes at once. */
const large = 'x'.repeat(3_000_000);

describe.each([
  ['in the same process', local],
  ['behind two sidecars', out],
] as const)('a service %s', (_, placed) => {
  it('has less time than its caller, and is cancelled when that is over', async () => {
    const told = gate<number>();
    const stopped = gate();
    const { shop } = await placed({
      take: async ({ sku }, call) => {
        told.open(call.remainingMs());
        call.signal.addEventListener('abort', () => stopped.open());
        await stopped.promise;
        return { sku, left: 0 };
      },
    });
    const error = await failureOf(shop.take({ sku: 'oar' }, { timeout: 150 }));
    expect(error.code).toBe(Code.DEADLINE_EXCEEDED);
    const left = await told.promise;
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(150);
    await stopped.promise;
  });

  it('is ended by its deadline though neither side ever waits', async () => {
    const { shop } = await placed({
      watch: async function* ({ sku }) {
        for (let left = 0; ; left++) yield { sku, left };
      },
    });
    const reading = (async () => {
      for await (const _ of shop.watch({ sku: 'oar' }, { timeout: 200 }));
    })();
    expect((await failureOf(reading)).code).toBe(Code.DEADLINE_EXCEEDED);
  });

  it('hears of a caller that cancels, or leaves the loop', async () => {
    const begun = gate();
    const stopped = gate();
    const left = gate();
    const { shop } = await placed({
      take: async ({ sku }, call) => {
        call.signal.addEventListener('abort', () => stopped.open());
        begun.open();
        await stopped.promise;
        return { sku, left: 0 };
      },
      watch: async function* ({ sku }) {
        try {
          for (let n = 0; ; n++) yield { sku, left: n };
        } finally {
          left.open();
        }
      },
    });
    const controller = new AbortController();
    const call = failureOf(shop.take({ sku: 'oar' }, { signal: controller.signal }));
    await begun.promise;
    controller.abort();
    expect(await call).toMatchObject({ code: Code.CANCELLED, decidedBy: 'sdk' });
    await stopped.promise;
    for await (const { left } of shop.watch({ sku: 'oar' })) if (left === 2) break;
    await left.promise;
  });

  it('may answer before the last request, which then stops', async () => {
    const stopped = gate();
    const { shop } = await placed({
      takeAll: async (items) => {
        for await (const { sku } of items) return { sku, left: 1 };
        return { sku: 'none', left: 0 };
      },
    });
    async function* endless(): AsyncGenerator<Item> {
      try {
        for (;;) {
          yield { sku: 'first' };
          await pause(1);
        }
      } finally {
        stopped.open();
      }
    }
    expect(await shop.takeAll(endless())).toEqual({ sku: 'first', left: 1 });
    await stopped.promise;
  });

  it('hears nothing of an upload that breaks off but that it does', async () => {
    const ends: string[] = [];
    const stopped = gate();
    const { shop } = await placed({
      takeAll: async (items) => {
        try {
          for await (const { sku } of items) ends.push(sku);
          ends.push('whole');
        } catch (thrown) {
          ends.push((thrown as MeshError).codeName);
          throw thrown;
        } finally {
          stopped.open();
        }
        return { sku: 'all', left: 0 };
      },
    });
    async function* torn(): AsyncGenerator<Item> {
      yield { sku: 'a' };
      await pause(50);
      throw new RangeError('torn');
    }
    await expect(shop.takeAll(torn())).rejects.toThrow(RangeError);
    await stopped.promise;
    expect(ends).toEqual(['a', 'CANCELLED']);
  });

  it('takes and gives messages that are larger than any window', async () => {
    const { shop } = await placed({ take: ({ sku }) => ({ sku: `${sku}!`, left: sku.length }) });
    const { sku, left } = await shop.take({ sku: large });
    expect(left).toBe(large.length);
    expect(sku.length).toBe(large.length + 1);
    const counted = await all(shop.count([{ sku: large }, { sku: '' }, { sku: large }]));
    expect(counted.map((each) => each.left)).toEqual([large.length, 0, large.length]);
  });

  it('is made no faster than it is read, and reads no faster than it is made', async () => {
    const piece = 'x'.repeat(16_384);
    let made = 0;
    let asked = 0;
    const stay = gate();
    const { shop } = await placed({
      watch: async function* () {
        for (; made < 10_000; made++) yield { sku: piece, left: made };
      },
      takeAll: async (items) => {
        for await (const _ of items) await stay.promise;
        return { sku: '', left: 0 };
      },
    });
    const watching = shop.watch({ sku: 'oar' })[Symbol.asyncIterator]();
    expect((await watching.next()).value).toMatchObject({ left: 0 });
    async function* items(): AsyncGenerator<Item> {
      for (; asked < 10_000; asked++) yield { sku: piece };
    }
    const controller = new AbortController();
    const taking = failureOf(shop.takeAll(items(), { signal: controller.signal }));
    await pause(300);
    const before = made;
    await pause(200);
    // The windows of three streams, and what sockets and grpc-js hold: some hundreds, never thousands.
    expect(made).toBeLessThan(1000);
    expect(made - before).toBeLessThan(50);
    expect(asked).toBeLessThan(1000);
    expect((await watching.next()).value).toMatchObject({ left: 1 });
    await watching.return?.();
    controller.abort();
    expect((await taking).code).toBe(Code.CANCELLED);
    stay.open();
  });

  it('refuses metadata that is too long, of both sides', async () => {
    const { shop } = await placed({
      watch: async function* ({ sku }, call) {
        call.trailers.set('long', 'x'.repeat(20_000));
        yield { sku, left: 1 };
      },
    });
    const long = { metadata: { long: 'x'.repeat(20_000) } };
    expect((await failureOf(shop.take({ sku: 'oar' }, long))).code).toBe(Code.RESOURCE_EXHAUSTED);
    const many = { metadata: { many: Array.from({ length: 100 }, () => 'x') } };
    expect((await failureOf(shop.take({ sku: 'oar' }, many))).code).toBe(Code.RESOURCE_EXHAUSTED);
    expect((await failureOf(all(shop.watch({ sku: 'oar' })))).code).toBe(Code.RESOURCE_EXHAUSTED);
    expect(await shop.take({ sku: 'oar' })).toEqual({ sku: 'oar', left: 1 });
  });
});

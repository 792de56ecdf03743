import { afterEach, describe, expect, it } from 'vitest';
import { Code } from '../../../sdk/index.ts';
import { type TestMesh, testMesh } from '../../../sdk/testing/index.ts';
import { plainShop, Shop } from '../../support/shop.ts';

let mesh: TestMesh;
afterEach(() => mesh.close());

const open = async (methods: object = {}) => {
  mesh = await testMesh();
  await mesh.host(Shop, 'shop', { ...plainShop, ...methods });
  return mesh.client(Shop, 'shop');
};
/** What a call came to; the promise settles by itself, so that time may be moved meanwhile. */
const outcome = (call: Promise<unknown>): Promise<unknown> =>
  call.catch((error: { code: number }) => error.code);
const all = async (stream: AsyncIterable<unknown>): Promise<unknown[]> => {
  const said: unknown[] = [];
  for await (const each of stream) said.push(each);
  return said;
};

describe('a mesh for tests', () => {
  it('hosts services, knows no other, and asks neither environment nor file', async () => {
    process.env['OUTRIGGER_CONFIG'] = '/nowhere.yaml';
    try {
      const shop = await open();
      expect(await shop.take({ sku: 'oar' })).toEqual({ sku: 'oar', left: 1 });
      expect(await outcome(mesh.client(Shop, 'other').take({ sku: 'oar' }))).toBe(Code.UNAVAILABLE);
    } finally {
      delete process.env['OUTRIGGER_CONFIG'];
    }
  });

  it('stands still: a deadline of an hour passes when the test says so, and not before', async () => {
    const shop = await open({ take: () => new Promise(() => {}) });
    let ended: unknown = 'not yet';
    const call = outcome(shop.take({ sku: 'oar' }, { timeout: '1h' })).then((code) => (ended = code));
    await mesh.clock.advance('59m');
    expect(ended).toBe('not yet');
    await mesh.clock.advance('2m');
    await call;
    expect(ended).toBe(Code.DEADLINE_EXCEEDED);
  });

  it('gives a method the time that is left by its clock', async () => {
    const left: number[] = [];
    const shop = await open({
      take: async ({ sku }: { sku: string }, call: { remainingMs(): number }) => {
        left.push(call.remainingMs());
        await mesh.clock.sleep('300ms');
        left.push(call.remainingMs());
        return { sku, left: 0 };
      },
    });
    const call = shop.take({ sku: 'oar' }, { timeout: 1000 });
    await mesh.clock.advance(300);
    await call;
    expect(left[0]).toBeLessThanOrEqual(1000);
    expect(left[0]! - left[1]!).toBeCloseTo(300, 0);
  });
});

describe('faults by name', () => {
  it('unavailable, and well again', async () => {
    const shop = await open();
    mesh.faults.set('shop', 'unavailable');
    expect(await outcome(shop.take({ sku: 'oar' }))).toBe(Code.UNAVAILABLE);
    mesh.faults.clear('shop');
    expect(await shop.take({ sku: 'oar' })).toEqual({ sku: 'oar', left: 1 });
  });

  it('hangs, until the deadline', async () => {
    const shop = await open();
    mesh.faults.set('shop', 'hangs');
    const call = outcome(shop.take({ sku: 'oar' }, { timeout: '5s' }));
    await mesh.clock.advance('5s');
    expect(await call).toBe(Code.DEADLINE_EXCEEDED);
  });

  it('slow, as slow as the test says', async () => {
    const shop = await open();
    mesh.faults.set('shop', 'slow', '2s');
    const [early, late] = [outcome(shop.take({ sku: 'oar' }, { timeout: '1s' })), shop.take({ sku: 'oar' })];
    await mesh.clock.advance('2s');
    expect([await early, await late]).toEqual([Code.DEADLINE_EXCEEDED, { sku: 'oar', left: 1 }]);
    const watched = all(shop.watch({ sku: 'oar' }));
    await mesh.clock.advance('2s');
    expect(await watched).toHaveLength(3);
  });

  it('breaks: a stream after its first message', async () => {
    const shop = await open();
    mesh.faults.set('shop', 'breaks');
    const seen: number[] = [];
    const watch = async (): Promise<void> => {
      for await (const { left } of shop.watch({ sku: 'oar' })) seen.push(left);
    };
    await expect(watch()).rejects.toMatchObject({ code: Code.INTERNAL });
    expect(seen).toEqual([3]);
  });

  it('shut the gate of a service that does nothing but fail, and time opens it', async () => {
    const shop = await open();
    mesh.faults.set('shop', 'unavailable');
    for (let call = 0; call < 12; call++) await outcome(shop.take({ sku: 'oar' }));
    const refused = await shop
      .take({ sku: 'oar' })
      .catch((error: { message: string; reached: boolean }) => error);
    expect(refused).toMatchObject({ reached: false, message: expect.stringContaining('is shut') });
    mesh.faults.clear();
    await mesh.clock.advance('3s');
    expect(await shop.take({ sku: 'oar' })).toEqual({ sku: 'oar', left: 1 });
  });
});

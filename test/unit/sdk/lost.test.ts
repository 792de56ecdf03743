import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import type { LostContext } from '../../../sdk/index.ts';
import { Metadata } from '../../../sdk/index.ts';
import { far, gate, type Left, meshAt, near, rawTake, Shop } from './stage.ts';

/** An app whose calls out lose their context, for the work is done by whoever was there before the call came. */
const brokenApp = async (lost: LostContext[]) => {
  const mesh = await meshAt(await far(), { onLostContext: (each) => void lost.push(each) });
  const shop = mesh.client(Shop, 'shop');
  const queue = new EventEmitter();
  const jobs: (() => void)[] = [];
  const worker = async (): Promise<void> => {
    for (;;) {
      await new Promise<void>((resolve) => queue.once('job', resolve));
      for (const job of jobs.splice(0)) job();
    }
  };
  void worker();
  const app = await near(mesh, {
    take: (item) =>
      new Promise<Left>((resolve, reject) => {
        jobs.push(() => {
          shop.take(item).then(resolve, reject);
        });
        queue.emit('job');
      }),
  });
  return { app, mesh, shop };
};

test('a call that a worker makes for a call being served is reported once, with method and stack', async () => {
  const lost: LostContext[] = [];
  const { app } = await brokenApp(lost);
  await rawTake(app, new Metadata()).reply;
  await rawTake(app, new Metadata()).reply;
  expect(lost).toHaveLength(1);
  expect(lost[0]).toMatchObject({ method: '/shop.v1.Shop/Take', serving: 1 });
  expect(lost[0]!.stack).toContain('lost.test.ts');
  expect(lost[0]!.stack).not.toContain('/sdk/client');
});

test('nothing is reported of calls inside a call, of work that says so, and of calls while nothing is served', async () => {
  const lost: LostContext[] = [];
  const mesh = await meshAt(await far(), { onLostContext: (each) => void lost.push(each) });
  const shop = mesh.client(Shop, 'shop');
  const held = gate();
  const begun = gate();
  const app = await near(mesh, {
    take: async (item) => {
      const left = await shop.take(item);
      begun.open();
      await held.promise;
      return left;
    },
  });
  await shop.take({ sku: 'before' });
  const call = rawTake(app, new Metadata()).reply;
  await begun.promise;
  await mesh.run({ correlationId: 'nightly' }, () => shop.take({ sku: 'job' }));
  held.open();
  await call;
  expect(lost).toEqual([]);
});

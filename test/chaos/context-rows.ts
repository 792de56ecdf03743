import { AsyncResource } from 'node:async_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import type { LostContext, Mesh, Methods } from '../../sdk/index.ts';
import { middleMesh } from '../support/middle-mesh.ts';
import { type Left, Shop } from '../support/shop.ts';
import { sumOf } from '../support/sidecars.ts';
import { against, type Told } from './partial.ts';
import type { Row } from './row.ts';

const perSecond = 1000;

const correct = (mesh: Mesh): Partial<Methods<Shop>> => {
  const shop = mesh.client(Shop, 'shop');
  return { take: (item) => shop.take(item) };
};

/** Calls out are made by a batcher that was there before. */
const broken = (mesh: Mesh): Partial<Methods<Shop>> => {
  const { take } = correct(mesh) as Pick<Methods<Shop>, 'take'>;
  const batcher = new AsyncResource('batcher');
  return {
    take: (item, call) =>
      new Promise<Left>((resolve, reject) => {
        batcher.runInAsyncScope(() => void Promise.resolve(take(item, call)).then(resolve, reject));
      }),
  };
};

/** Calls at a steady rate to a service in the middle, which calls another one for each. */
const loaded = async (forMs: number, answers: (mesh: Mesh) => Partial<Methods<Shop>>): Promise<Told> => {
  const lost: LostContext[] = [];
  const mesh = await middleMesh(answers, { onLostContext: (each) => void lost.push(each) });
  try {
    const middle = mesh.web.client(Shop, 'middle');
    const calls: Promise<unknown>[] = [];
    let failed = 0;
    const begin = performance.now();
    while (performance.now() - begin < forMs) {
      for (const due = ((performance.now() - begin) * perSecond) / 1000; calls.length < due; )
        calls.push(middle.take({ sku: 'oar' }, { timeout: '10s' }).catch(() => failed++));
      await pause(5);
    }
    await Promise.all(calls);
    const counted = sumOf(mesh.middle, 'outrigger_context_lost_total');
    const where = lost.length === 0 ? '' : `, by ${lost[0]!.stack.split('\n')[0]!.replace(/.*\//, '')}`;
    return {
      figures: `${counted} of ${calls.length} counted as lost, ${lost.length} places reported${where}; ${failed} failed`,
      kept:
        counted === 0 &&
        lost.length === 0 &&
        failed === 0 &&
        calls.length >= (forMs * perSecond * 0.95) / 1000,
    };
  } finally {
    await mesh.close();
  }
};

/** What is said of calls that lose the context of the call that they are for. */
export const contextRows: readonly Row[] = [
  {
    id: 'S-01',
    fault: 'calls out of a service in the middle',
    promise: '1,000 a second for a minute: none is taken for lost',
    run: (short) =>
      against(
        () => loaded(short ? 5000 : 60_000, correct),
        () => loaded(2000, broken),
      ),
  },
];

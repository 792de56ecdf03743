import { AsyncResource } from 'node:async_hooks';
import { afterEach, describe, expect, it } from 'vitest';
import type { LostContext, Mesh, Methods } from '../../../sdk/index.ts';
import { type MiddleMesh, middleMesh } from '../../support/middle-mesh.ts';
import { sumOf } from '../../support/sidecars.ts';
import { type Item, type Left, Shop } from '../../unit/sdk/stage.ts';

let running: MiddleMesh | null = null;
afterEach(() => running?.close());

/** Work is done by those who were there before the call came: as by a pool of connections, or a batcher. */
const broken = (mesh: Mesh): Partial<Methods<Shop>> => {
  const shop = mesh.client(Shop, 'shop');
  const batcher = new AsyncResource('batcher');
  return {
    take: (item) =>
      new Promise<Left>((resolve, reject) =>
        batcher.runInAsyncScope(() => shop.take(item).then(resolve, reject)),
      ),
  };
};
const correct = (mesh: Mesh): Partial<Methods<Shop>> => {
  const shop = mesh.client(Shop, 'shop');
  return { take: (item: Item) => shop.take(item) };
};

const start = async (
  answers: (mesh: Mesh) => Partial<Methods<Shop>>,
): Promise<{ mesh: MiddleMesh; lost: LostContext[] }> => {
  const lost: LostContext[] = [];
  running = await middleMesh(answers, { onLostContext: (each) => void lost.push(each) });
  return { mesh: running, lost };
};

const counted = ({ middle }: MiddleMesh): number =>
  sumOf(middle, 'outrigger_context_lost_total', 'method="/shop.v1.Shop/Take"');

describe('a service in the middle whose calls out lose their context', () => {
  it('is found: by the sidecar with the method, by the SDK with method and stack', async () => {
    const { mesh, lost } = await start(broken);
    const middle = mesh.web.client(Shop, 'middle');
    for (let call = 0; call < 3; call++) await middle.take({ sku: 'oar' });
    expect(counted(mesh)).toBe(3);
    expect(lost).toHaveLength(1);
    expect(lost[0]!.method).toBe('/shop.v1.Shop/Take');
    expect(lost[0]!.stack).toContain('lost-context.test.ts');
  });

  it('control: one that keeps it is silent, whatever comes at one time', async () => {
    const { mesh, lost } = await start(correct);
    const middle = mesh.web.client(Shop, 'middle');
    await Promise.all(Array.from({ length: 200 }, () => middle.take({ sku: 'oar' })));
    expect([counted(mesh), lost]).toEqual([0, []]);
  });

  it('control: jobs of its own are silent when they say so, while calls are served', async () => {
    const { mesh, lost } = await start((own) => {
      const shop = own.client(Shop, 'shop');
      const job = AsyncResource.bind(() =>
        own.run({ correlationId: 'nightly' }, () => shop.take({ sku: 'job' })),
      );
      return { take: () => job() };
    });
    await mesh.web.client(Shop, 'middle').take({ sku: 'oar' });
    expect([counted(mesh), lost]).toEqual([0, []]);
  });
});

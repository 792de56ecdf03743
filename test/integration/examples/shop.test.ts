import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { clientsOf, hostShop } from '../../../examples/shop/shop.js';
import { Code, connect, type Mesh, MeshError } from '../../../sdk/index.ts';
import { freePorts } from '../../support/free-ports.ts';

const services = ['orders', 'inventory', 'payments'] as const;
type Service = (typeof services)[number];

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Payments that fail on purpose, for whoever calls them. */
const failingPayments = {
  faults: { policies: true },
  policies: { payments: { faults: [{ percent: 100, abort: 'UNAVAILABLE' }] } },
};

/** The shop with these services out, each as a process would be: its own mesh, its own sidecar, its own stock. */
const open = async (out: readonly Service[], words: object = {}): Promise<Mesh> => {
  const folder = mkdtempSync(join(tmpdir(), 'shop-'));
  ends.push(() => rmSync(folder, { recursive: true }));
  const [peers, ports] = [await freePorts(out.length), await freePorts(out.length)];
  const known = Object.fromEntries(out.map((service, at) => [service, [`127.0.0.1:${peers[at]}`]]));
  const start = async (name: string): Promise<Mesh> => {
    const at = out.indexOf(name as Service);
    const answers = at >= 0;
    const settings = {
      service: { name, ...(answers && { port: ports[at] }) },
      listen: { admin: '127.0.0.1:0', control: 'none', ...(answers && { peers: `127.0.0.1:${peers[at]}` }) },
      discovery: { static: { services: known } },
      identity: 'none',
      placement: Object.fromEntries(out.filter((each) => each !== name).map((each) => [each, 'mesh'])),
      ...words,
    };
    const config = join(folder, `${name}.json`);
    writeFileSync(config, JSON.stringify(settings));
    const mesh = await connect({ config });
    ends.push(() => mesh.close());
    await hostShop(mesh);
    return mesh;
  };
  for (const service of out) await start(service);
  return start('web');
};

describe.each<[string, readonly Service[]]>([
  ['all in one process', []],
  ['the inventory out', ['inventory']],
  ['all out', services],
])('the shop, %s', (_, out) => {
  it('takes an order', async () => {
    const { orders } = clientsOf(await open(out));
    expect(await orders.place({ sku: 'oar', count: 2 })).toEqual({
      sku: 'oar',
      left: 98,
      cents: 500,
      express: false,
    });
  });

  it('hears of a flag in every service', async () => {
    const mesh = await open(out);
    const { orders } = clientsOf(mesh);
    const receipt = await mesh.run({ baggage: 'ff.express=on' }, () =>
      orders.place({ sku: 'oar', count: 1 }),
    );
    expect(receipt.express).toBe(true);
  });

  it('tells what is wrong, with details, and from the bottom to the top', async () => {
    const { inventory, orders } = clientsOf(await open(out));
    const wrong = await inventory
      .reserve({ sku: 'oar', count: 0 })
      .catch((error: unknown) => error as MeshError);
    expect(wrong).toMatchObject({
      code: Code.INVALID_ARGUMENT,
      message: 'count must be at least 1',
      decidedBy: 'peer',
    });
    expect((wrong as MeshError).details).toMatchObject([{ type: 'google.rpc.BadRequest' }]);
    await expect(orders.place({ sku: 'sail', count: 1 })).rejects.toMatchObject({
      code: Code.NOT_FOUND,
      message: "there is no 'sail'",
    });
  });

  it('ends a stream at its deadline, and when its reader leaves', async () => {
    const { inventory } = clientsOf(await open(out));
    const seen: number[] = [];
    const watch = async (): Promise<void> => {
      for await (const { left } of inventory.watch({ sku: 'oar' }, { timeout: 300 })) seen.push(left);
    };
    await expect(watch()).rejects.toMatchObject({ code: Code.DEADLINE_EXCEEDED });
    expect(seen).toEqual([100]);
    for await (const { left } of inventory.watch({ sku: 'oar' })) {
      seen.push(left);
      if (left === 99) break;
      await inventory.reserve({ sku: 'oar', count: 1 });
    }
    expect(seen).toEqual([100, 100, 99]);
  });

  it('is cancelled from the top to the bottom', async () => {
    const { inventory } = clientsOf(await open(out));
    const controller = new AbortController();
    const watch = inventory.watch({ sku: 'oar' }, { signal: controller.signal })[Symbol.asyncIterator]();
    await watch.next();
    const next = watch.next();
    controller.abort();
    await expect(next).rejects.toMatchObject({ code: Code.CANCELLED, decidedBy: 'sdk' });
  });

  it('shares no message between who calls and who answers', async () => {
    const { inventory } = clientsOf(await open(out));
    const request = { sku: 'oar', count: 1, reservation: 'first' };
    const reserving = inventory.reserve(request);
    request.count = 50;
    const first = await reserving;
    expect(first).toEqual({ left: 99 });
    first.left = -1;
    expect(await inventory.reserve({ ...request, count: 1 })).toEqual({ left: 99 });
  });

  it('fails in part alone: payments are out, the inventory is not', async () => {
    const { orders, inventory } = clientsOf(await open(out, failingPayments));
    await expect(orders.place({ sku: 'oar', count: 1 })).rejects.toMatchObject({ code: Code.UNAVAILABLE });
    expect(await inventory.reserve({ sku: 'oar', count: 1 })).toEqual({ left: 98 });
  });

  it('is refused at once when nobody has the time', async () => {
    const mesh = await open(out);
    const { orders } = clientsOf(mesh);
    await expect(mesh.run({ timeout: 0 }, () => orders.place({ sku: 'oar', count: 1 }))).rejects.toThrow(
      MeshError,
    );
  });
});

import { writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { Code, connect, definition, type Mesh, MeshError } from '../../../sdk/index.ts';
import { eventually } from '../../support/eventually.ts';
import { freePorts } from '../../support/free-ports.ts';
import { settingsFile, webSettings } from '../../support/placements.ts';
import { all, failureOf, far, later, meshAt, plainShop, Shop } from './stage.ts';

/** A mesh of this process alone. */
const alone = async (config?: string): Promise<Mesh> => {
  const mesh = await connect(config === undefined ? {} : { config });
  later(() => mesh.close());
  return mesh;
};

test('without a sidecar hosted services work, and no other', async () => {
  const mesh = await alone();
  expect(mesh.sidecar).toBe('');
  const hosted = await mesh.host(Shop, 'shop', plainShop);
  expect(hosted).toMatchObject({ placement: 'local', address: null });
  expect(await mesh.client(Shop, 'shop').take({ sku: 'oar' })).toEqual({ sku: 'oar', left: 1 });
  const error = await failureOf(mesh.client(Shop, 'inventory').take({ sku: 'oar' }));
  expect(error).toMatchObject({ code: Code.UNAVAILABLE, decidedBy: 'mesh', reached: false });
  expect(error.message).toBe(
    "this process does not host 'inventory' (mesh.host), and has no sidecar that could find it: start the app with " +
      "'outrigger run', set OUTRIGGER_APP to a sidecar's app listener, or OUTRIGGER_CONFIG to a settings file",
  );
  expect(() => mesh.target('shop')).toThrow(/a target needs a sidecar/);
});

test('beside a sidecar only the names that are hosted stay in the process', async () => {
  const mesh = await meshAt(await far({ take: ({ sku }) => ({ sku: `${sku} from afar`, left: 9 }) }));
  await mesh.host(Shop, 'shop', plainShop);
  expect((await mesh.client(Shop, 'shop').take({ sku: 'oar' })).sku).toBe('oar');
  expect((await mesh.client(Shop, 'other').take({ sku: 'oar' })).sku).toBe('oar from afar');
});

test('a line of configuration moves a service out, while the process runs', async () => {
  const config = await settingsFile(webSettings());
  const server = await far({ take: ({ sku }) => ({ sku: `${sku} from afar`, left: 9 }) });
  const mesh = await meshAt(server, { config });
  const hosted = await mesh.host(Shop, 'shop', plainShop);
  const shop = mesh.client(Shop, 'shop');
  expect((await shop.take({ sku: 'oar' })).sku).toBe('oar');
  await writeFile(config, JSON.stringify(webSettings({ placement: { shop: 'mesh' } })));
  await eventually(() => hosted.placement === 'mesh', 'the placement of the file');
  expect((await shop.take({ sku: 'oar' })).sku).toBe('oar from afar');
});

test('in a process whose settings call the app so, a hosted service answers its sidecar too', async () => {
  const config = await settingsFile(webSettings({ service: { name: 'shop', socket: './shop.sock' } }));
  const mesh = await alone(config);
  const hosted = await mesh.host(Shop, 'shop', plainShop);
  expect(hosted.address).toMatch(/^unix:.*shop\.sock$/);
  const outside = await connect({ sidecar: hosted.address! });
  later(() => outside.close());
  expect(await outside.client(Shop, 'shop').take({ sku: 'oar' })).toEqual({ sku: 'oar', left: 1 });
  await hosted.stop(0);
});

test('the same program with another file is the service that has moved out', async () => {
  const [port] = await freePorts(1);
  const peers = `127.0.0.1:${port}`;
  const program = async (config: string, who: string): Promise<Mesh> => {
    const mesh = await alone(config);
    await mesh.host(Shop, 'shop', {
      ...plainShop,
      take: (_, { caller }) => ({ sku: `${who} of ${caller}`, left: 1 }),
    });
    return mesh;
  };
  await program(
    await settingsFile(
      webSettings({
        service: { name: 'shop', socket: './shop.sock' },
        listen: { peers, admin: '127.0.0.1:0', control: 'none' },
      }),
    ),
    'shop',
  );
  const discovery = { static: { services: { shop: [peers] } } };
  const web = await program(
    await settingsFile(webSettings({ discovery, placement: { shop: 'mesh' } })),
    'web',
  );
  // Without certificates nobody proves who calls from outside.
  expect((await web.client(Shop, 'shop').take({ sku: 'oar' })).sku).toBe('shop of ');
  const whole = await program(await settingsFile(webSettings({ discovery })), 'web');
  expect((await whole.client(Shop, 'shop').take({ sku: 'oar' })).sku).toBe('web of web');
});

test('what a definition says of its methods holds as a contract does, below all policies', async () => {
  const proto = (await settingsFile({})).replace('mesh.yaml', 'depot.proto');
  await writeFile(
    proto,
    `syntax = "proto3"; package depot.v1; message Item { string sku = 1; }
    service Depot {
      rpc Find(Item) returns (Item) { option idempotency_level = NO_SIDE_EFFECTS; }
      rpc Take(Item) returns (Item);
      rpc Watch(Item) returns (stream Item);
    }`,
  );
  interface Depot {
    find(item: { sku: string }): Promise<{ sku: string }>;
    take(item: { sku: string }): Promise<{ sku: string }>;
    watch(item: { sku: string }): AsyncIterable<{ sku: string }>;
  }
  const Depot = definition<Depot>(proto, 'depot.v1.Depot');
  const retry = { attempts: 3, codes: ['UNAVAILABLE'], 'first-wait': '1ms' };
  const policies = { depot: { retry, 'unary-timeout': '5s' } };
  const mesh = await alone(await settingsFile(webSettings({ policies })));
  const tries = { find: 0, take: 0 };
  const deadlines: boolean[] = [];
  await mesh.host(Depot, 'depot', {
    find: () => {
      tries.find++;
      throw new MeshError(Code.UNAVAILABLE, 'not now');
    },
    take: (_, { deadline }) => {
      tries.take++;
      deadlines.push(deadline !== null);
      throw new MeshError(Code.UNAVAILABLE, 'not now');
    },
    watch: async function* (item, { deadline }) {
      deadlines.push(deadline !== null);
      yield item;
    },
  });
  const depot = mesh.client(Depot, 'depot');
  await failureOf(depot.find({ sku: 'oar' }));
  await failureOf(depot.take({ sku: 'oar' }));
  await all(depot.watch({ sku: 'oar' }));
  expect(tries).toEqual({ find: 3, take: 1 });
  expect(deadlines).toEqual([true, false]);
});

test('a name is hosted once at a time, by all of its methods', async () => {
  const mesh = await alone();
  const first = await mesh.host(Shop, 'shop', plainShop);
  await expect(mesh.host(Shop, 'shop', plainShop)).rejects.toThrow(/'shop' is hosted here already/);
  await expect(mesh.host(Shop, 'other', {} as typeof plainShop)).rejects.toThrow(/nothing answers .*Take/);
  await expect(mesh.host(Shop, 'the shop', plainShop)).rejects.toThrow(/'the shop' cannot be hosted/);
  await first.stop();
  const shop = mesh.client(Shop, 'shop');
  expect((await failureOf(shop.take({ sku: 'oar' }))).code).toBe(Code.UNAVAILABLE);
  await mesh.host(Shop, 'shop', { ...plainShop, take: ({ sku }) => ({ sku, left: 2 }) });
  expect(await shop.take({ sku: 'oar' })).toEqual({ sku: 'oar', left: 2 });
});

test('closing lets calls in progress end, and begins no others', async () => {
  const mesh = await alone();
  let go!: () => void;
  const gone = new Promise<void>((resolve) => {
    go = resolve;
  });
  await mesh.host(Shop, 'shop', {
    ...plainShop,
    watch: async function* ({ sku }) {
      yield { sku, left: 2 };
      await gone;
      yield { sku, left: 1 };
    },
  });
  const shop = mesh.client(Shop, 'shop');
  const watching = shop.watch({ sku: 'oar' })[Symbol.asyncIterator]();
  await watching.next();
  const closed = mesh.close();
  const error = await failureOf(shop.take({ sku: 'oar' }));
  expect(error).toMatchObject({ code: Code.UNAVAILABLE, reached: false });
  go();
  expect((await watching.next()).value).toEqual({ sku: 'oar', left: 1 });
  expect((await watching.next()).done).toBe(true);
  await closed;
});

test('a message that is too long is refused on both ways', async () => {
  const mesh = await alone(await settingsFile(webSettings({ limits: { message: '1KiB' } })));
  await mesh.host(Shop, 'shop', { ...plainShop, take: () => ({ sku: 'x'.repeat(2000), left: 1 }) });
  const shop = mesh.client(Shop, 'shop');
  const errors = [
    await failureOf(shop.take({ sku: 'x'.repeat(2000) })),
    await failureOf(shop.take({ sku: 'oar' })),
    await failureOf(all(shop.count([{ sku: 'x'.repeat(2000) }]))),
  ];
  for (const error of errors) {
    expect(error.code).toBe(Code.RESOURCE_EXHAUSTED);
    expect(error.message).toMatch(/200\d octets.*1024 \(limits\.message\)/);
  }
});

test('a settings file that cannot be used is named, with the place in it', async () => {
  const config = await settingsFile({ placement: { shop: 'elsewhere' } });
  await expect(connect({ config })).rejects.toThrow(/placement\.shop must be local or mesh/);
  await expect(connect({ config: '/nowhere/mesh.yaml' })).rejects.toThrow(/no such file/);
});

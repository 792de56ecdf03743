import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, type ConnectOptions, connect, type Mesh, type Methods } from '../../sdk/index.ts';
import { type Sidecar, startSidecar } from '../../sidecar/index.ts';
import { readSettings } from '../../sidecar/settings/load.ts';
import { later, plainShop, Shop } from '../unit/sdk/stage.ts';
import { certificates } from './certificates.ts';
import { freePorts } from './free-ports.ts';

/** An app that calls `shop`, and whoever answers. */
export interface Placed {
  readonly shop: Client<Shop>;
  /** Of who calls. */
  readonly mesh: Mesh;
  /** The same service for whoever answers, who may call it too. */
  readonly within: Client<Shop>;
}

/** What is asked of a stage. */
export interface PlacedOptions {
  /** Of who calls. */
  readonly caller?: Pick<ConnectOptions, 'clientMiddleware'>;
  /** Of who answers. */
  readonly callee?: Pick<ConnectOptions, 'serverMiddleware' | 'onError'>;
}

/** Where `shop` runs: answers `methods` there, to an app called `web`. */
export type Placement = (methods?: Partial<Methods<Shop>>, options?: PlacedOptions) => Promise<Placed>;

/** What the caller's settings file says, wherever the service runs. */
const words = {
  service: { name: 'web' },
  flags: { express: 'on' },
  policies: {
    shop: {
      methods: {
        '/shop.v1.Shop/Take': {
          unary: true,
          idempotent: true,
          retry: { attempts: 3, codes: ['UNAVAILABLE'], 'first-wait': '1ms' },
        },
      },
    },
  },
};
const free = { app: '127.0.0.1:0', admin: '127.0.0.1:0', control: 'none' };
const quiet = { level: 'error' };

/** Writes a settings file, and answers where. */
export const settingsFile = async (content: object): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'outrigger-placements-'));
  later(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'mesh.yaml');
  await writeFile(path, JSON.stringify(content));
  return path;
};

/** The settings of `web`, with what is said beside. */
export const webSettings = (more: object = {}): object => ({
  ...words,
  discovery: { static: { services: {} } },
  identity: 'none',
  listen: { admin: free.admin, control: free.control },
  log: quiet,
  ...more,
});

/** In the caller's own process, with the whole of a sidecar beside. */
export const local: Placement = async (methods = {}, { caller, callee } = {}) => {
  const mesh = await connect({ config: await settingsFile(webSettings()), ...caller, ...callee });
  later(() => mesh.close());
  await mesh.host(Shop, 'shop', { ...plainShop, ...methods });
  const shop = mesh.client(Shop, 'shop');
  return { mesh, shop, within: shop };
};

/** Behind a sidecar of its own, called through the caller's, with mutual TLS between them. */
export const out: Placement = async (methods = {}, { caller, callee } = {}) => {
  const made = await certificates();
  later(() => made.close());
  const start = async (settings: object): Promise<Sidecar> => {
    const loaded = readSettings(JSON.stringify(settings), 'test.yaml', made.directory);
    const sidecar = await startSidecar(loaded.settings);
    later(() => sidecar.close());
    await sidecar.ready;
    return sidecar;
  };
  const joined = async (sidecar: Sidecar, options: ConnectOptions): Promise<Mesh> => {
    const mesh = await connect({ sidecar: sidecar.ports.app, ...options });
    later(() => mesh.close());
    return mesh;
  };
  const [port] = await freePorts(1);
  const peers = `127.0.0.1:${port}`;
  const socket = join(made.directory, 'shop.sock');
  const behind = await start({
    service: { name: 'shop', socket },
    listen: { ...free, peers },
    discovery: { static: { services: { shop: [peers] } } },
    identity: { files: await made.write('shop') },
  });
  const answering = await joined(behind, callee ?? {});
  const served = await answering.serve(Shop, { ...plainShop, ...methods }, { socket });
  later(() => served.stop(0));
  const before = await start({
    ...words,
    listen: free,
    discovery: { static: { services: { shop: [peers] } } },
    identity: { files: await made.write('web') },
  });
  const mesh = await joined(before, caller ?? {});
  return { mesh, shop: mesh.client(Shop, 'shop'), within: answering.client(Shop, 'shop') };
};

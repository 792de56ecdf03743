import { type ConnectOptions, connect, type Mesh, type Methods } from '../../sdk/index.ts';
import { type Sidecar, startSidecar } from '../../sidecar/index.ts';
import { readSettings } from '../../sidecar/settings/load.ts';
import { freePorts } from './free-ports.ts';
import { openShop, plainShop, Shop } from './shop.ts';

/** `web` calls `middle`, whose app calls `shop`: each with a sidecar, in this process, without TLS. */
export interface MiddleMesh {
  /** Of the caller's app. */
  readonly web: Mesh;
  /** The sidecar of the service in the middle. */
  readonly middle: Sidecar;
  close(): Promise<void>;
}

const quiet = { app: '127.0.0.1:0', admin: '127.0.0.1:0', control: 'none' };
const peers = '127.0.0.1:0';

const start = (name: string, words: object, services: object): Promise<Sidecar> => {
  const settings = {
    service: { name },
    listen: quiet,
    discovery: { static: { services } },
    identity: 'none',
  };
  const { settings: read } = readSettings(JSON.stringify({ ...settings, ...words }), 'test.yaml', '/');
  return startSidecar(read);
};

/** Starts it; `answers` is the app in the middle, which is given its mesh. */
export const middleMesh = async (
  answers: (mesh: Mesh) => Partial<Methods<Shop>>,
  options: ConnectOptions = {},
): Promise<MiddleMesh> => {
  const ends: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  const keep = <T extends { close(): unknown }>(each: T): T => {
    ends.push(() => each.close());
    return each;
  };
  const before = (name: string, port: number, services: object): Promise<Sidecar> =>
    start(name, { service: { name, port }, listen: { ...quiet, peers } }, services);
  try {
    const last = await openShop();
    ends.push(() => last.stop(0));
    const shop = keep(await before('shop', last.port, {}));
    const [port] = (await freePorts(1)) as [number];
    const middle = keep(await before('middle', port, { shop: [shop.ports.peers] }));
    const mesh = keep(await connect({ ...options, sidecar: middle.ports.app }));
    const served = await mesh.serve(Shop, { ...plainShop, ...answers(mesh) }, { port });
    ends.push(() => served.stop(0));
    const front = keep(await start('web', {}, { middle: [middle.ports.peers] }));
    const web = keep(await connect({ sidecar: front.ports.app }));
    await Promise.all([shop.ready, middle.ready, front.ready]);
    return { web, middle, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
};

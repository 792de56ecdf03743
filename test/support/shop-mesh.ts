import { type Sidecar, startSidecar } from '../../sidecar/index.ts';
import { readSettings } from '../../sidecar/settings/load.ts';
import { certificates } from './certificates.ts';
import { freePorts } from './free-ports.ts';
import type { SettingsWords } from './sidecars.ts';

/** Two sidecars with mutual TLS between them: one before an app at `port`, one for whoever calls it. */
export interface ShopMesh {
  readonly caller: Sidecar;
  readonly callee: Sidecar;
  /** Of the caller's sidecar, a port that stands for the service: for clients that can set no authority. */
  readonly upstream: string;
  close(): Promise<void>;
}

const quiet = { app: '127.0.0.1:0', admin: '127.0.0.1:0', control: 'none' };

/** Starts them before an app that answers at `port` as the service `shop`; `words` are laid over the caller's settings. */
export const shopMesh = async (port: number, words: SettingsWords = {}): Promise<ShopMesh> => {
  const made = await certificates();
  const running: Sidecar[] = [];
  const start = async (settings: object): Promise<Sidecar> => {
    const sidecar = await startSidecar(readSettings(JSON.stringify(settings), 'test.yaml', '/').settings);
    running.push(sidecar);
    await sidecar.ready;
    return sidecar;
  };
  const close = async (): Promise<void> => {
    for (const sidecar of running.reverse()) await sidecar.close();
    await made.close();
  };
  try {
    const callee = await start({
      service: { name: 'shop', port },
      listen: { ...quiet, peers: '127.0.0.1:0' },
      discovery: { static: { services: {} } },
      identity: { files: await made.write('shop') },
    });
    const [upstream] = (await freePorts(1)) as [number];
    const caller = await start({
      service: { name: 'web' },
      listen: quiet,
      discovery: { static: { services: { shop: [callee.ports.peers] } } },
      identity: { files: await made.write('web') },
      upstreams: { shop: `127.0.0.1:${upstream}` },
      ...words,
    });
    return { caller, callee, upstream: `127.0.0.1:${upstream}`, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
};

import { tmpdir } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { type Sidecar, startSidecar } from '../../../sidecar/index.ts';
import { readSettings } from '../../../sidecar/settings/load.ts';
import { type EchoApp, startEcho } from '../../support/echo.ts';
import { EchoClient } from '../../support/echo-client.ts';

/** Two instances of `echo` and a caller, that know each other from Consul alone. */
export interface Mesh {
  readonly caller: Sidecar;
  readonly apps: readonly EchoApp[];
  /** Of the caller's app, naming `echo`. */
  readonly client: EchoClient;
  close(): Promise<void>;
}

const free = '127.0.0.1:0';
const patienceMs = 20_000;

/** Starts it; both instances are known to the caller when it resolves. */
export const startMesh = async (url: string): Promise<Mesh> => {
  const closing: { close(): unknown }[] = [];
  const keep = <T extends { close(): unknown }>(each: T): T => {
    closing.push(each);
    return each;
  };
  const join = async (service: object): Promise<Sidecar> => {
    const listen = { app: free, admin: free, control: 'none', ...('port' in service && { peers: free }) };
    const text = JSON.stringify({ service, listen, discovery: { consul: { url } } });
    const sidecar = keep(await startSidecar(readSettings(text, 'mesh.yaml', tmpdir()).settings));
    await sidecar.ready;
    return sidecar;
  };
  const close = async (): Promise<void> => {
    for (const each of closing.splice(0).reverse()) await each.close();
  };
  try {
    const apps = [keep(await startEcho()), keep(await startEcho())];
    for (const { port } of apps) await join({ name: 'echo', port });
    const caller = await join({ name: 'web' });
    const client = keep(new EchoClient(caller.ports.app, { 'grpc.default_authority': 'echo' }));
    const end = Date.now() + patienceMs;
    while (caller.endpoints().length < 2) {
      if (Date.now() > end) throw new Error(`two instances were not there within ${patienceMs} ms`);
      await client.call('Unary', 'm');
      await pause(20);
    }
    return { caller, apps, client, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
};

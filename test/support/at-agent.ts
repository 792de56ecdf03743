import { tmpdir } from 'node:os';
import type { Log } from '../../sidecar/core/log.ts';
import { type Sidecar, startSidecar } from '../../sidecar/index.ts';
import type { Sabotage } from '../../sidecar/sabotage.ts';
import { readSettings } from '../../sidecar/settings/load.ts';
import { EchoClient } from './echo-client.ts';

/** Keys of a settings file. */
type SettingsWords = Readonly<Record<string, unknown>>;

/** Sidecars that know nothing but a Consul agent. */
export interface AgentTable {
  readonly url: string;
  /** Starts one, and waits until it is ready. Closed with the mesh. */
  join(
    service: SettingsWords,
    words?: SettingsWords,
    log?: Log,
    sabotage?: readonly Sabotage[],
  ): Promise<Sidecar>;
  /** A client of the app beside a sidecar, naming `echo`. Closed with the mesh. */
  client(sidecar: Sidecar): EchoClient;
  /** Asks the agent; rejects unless it answers 200. */
  ask(method: string, path: string, body?: object): Promise<unknown>;
  close(): Promise<void>;
}

/** A mesh at the agent of that URL, development or real. */
export const atAgent = (url: string): AgentTable => {
  const open: { close(): unknown }[] = [];
  return {
    url,
    join: async (service, words = {}, log, sabotage = []) => {
      const free = '127.0.0.1:0';
      const ports = {
        app: free,
        admin: free,
        control: 'none',
        ...('port' in service ? { peers: free } : {}),
      };
      const settings = { service, listen: ports, discovery: { consul: { url } }, 'state-dir': 'none' };
      const loaded = readSettings(JSON.stringify(settings), 'mesh.yaml', tmpdir(), { overlay: words });
      const sidecar = await startSidecar(loaded.settings, {
        ...(log !== undefined && { log }),
        sabotage: new Set(sabotage),
      });
      open.push(sidecar);
      await sidecar.ready;
      return sidecar;
    },
    client: (sidecar) => {
      const client = new EchoClient(sidecar.ports.app, { 'grpc.default_authority': 'echo' });
      open.push(client);
      return client;
    },
    ask: async (method, path, body) => {
      const response = await fetch(url + path, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
      return text === '' ? null : JSON.parse(text);
    },
    close: async () => {
      for (const each of open.splice(0).reverse()) await each.close();
    },
  };
};

/** Tries until `holds`; answers the milliseconds that it took. Rejects after `mostMs`. */
export const timeUntil = async (
  holds: () => Promise<boolean>,
  what: string,
  mostMs = 15_000,
): Promise<number> => {
  const began = performance.now();
  while (!(await holds())) {
    if (performance.now() - began > mostMs) throw new Error(`not within ${mostMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return performance.now() - began;
};

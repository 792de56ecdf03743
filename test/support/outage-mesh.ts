import { tmpdir } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { type Sidecar, startSidecar } from '../../sidecar/index.ts';
import type { Sabotage } from '../../sidecar/sabotage.ts';
import { readSettings } from '../../sidecar/settings/load.ts';
import { type EchoApp, startEcho } from './echo.ts';
import { EchoClient } from './echo-client.ts';
import type { SettingsWords } from './sidecars.ts';

/** Where the sidecars of a mesh find Consul, and what differs from the usual. */
export interface OutageMeshOptions {
  /** The agent of the callees, and of the caller unless it has its own. */
  readonly url: string;
  readonly callerUrl?: string;
  /** Instances of `echo`, each an app with its sidecar; default 2. */
  readonly instances?: number;
  readonly sabotage?: readonly Sabotage[];
}

/** An app and its sidecar. */
export interface Instance {
  readonly app: EchoApp;
  readonly sidecar: Sidecar;
}

/** A caller's sidecar `web`, and callees `echo`, in this process, that know each other from Consul alone. */
export interface OutageMesh {
  readonly caller: Sidecar;
  readonly callees: readonly Sidecar[];
  readonly apps: readonly EchoApp[];
  /** Of the caller's app, naming `echo`. */
  readonly client: EchoClient;
  /** Starts another app with its sidecar; with `failing` the app says so from the start. */
  add(words?: SettingsWords, failing?: EchoApp['failing']): Promise<Instance>;
  /** Instances of `echo` that the caller may dial now. */
  seen(): number;
  close(): Promise<void>;
}

const patienceMs = 20_000;
const free = '127.0.0.1:0';

/** Starts all of it; calls go through to every instance when it resolves. */
export const outageMesh = async (options: OutageMeshOptions): Promise<OutageMesh> => {
  const mesh = new OnConsul(options);
  try {
    await mesh.open();
  } catch (thrown) {
    await mesh.close();
    throw thrown;
  }
  return mesh;
};

class OnConsul implements OutageMesh {
  caller!: Sidecar;
  client!: EchoClient;
  readonly callees: Sidecar[] = [];
  readonly apps: EchoApp[] = [];
  readonly #options: OutageMeshOptions;

  constructor(options: OutageMeshOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    const { instances = 2, url, callerUrl = url } = this.#options;
    for (let i = 0; i < instances; i++) await this.add();
    this.caller = await this.#start({ name: 'web' }, callerUrl);
    this.client = new EchoClient(this.caller.ports.app, { 'grpc.default_authority': 'echo' });
    const end = Date.now() + patienceMs;
    let code = -1;
    while (this.seen() < instances || code !== 0) {
      ({ code } = await this.client.call('Unary', 'm', { deadlineMs: 2000 }));
      if (Date.now() > end)
        throw new Error(`not ready within ${patienceMs} ms: ${this.seen()} instances, code ${code}`);
      await pause(20);
    }
  }

  async add(words: SettingsWords = {}, failing: EchoApp['failing'] = null): Promise<Instance> {
    const app = await startEcho();
    app.failing = failing;
    this.apps.push(app);
    const sidecar = await this.#start({ name: 'echo', port: app.port }, this.#options.url, words);
    this.callees.push(sidecar);
    return { app, sidecar };
  }

  seen(): number {
    return this.caller.snapshot().services.get('echo')?.endpoints.length ?? 0;
  }

  async close(): Promise<void> {
    this.client?.close();
    const sidecars = this.caller === undefined ? this.callees : [this.caller, ...this.callees];
    await Promise.all(sidecars.map((each) => each.close()));
    for (const app of this.apps) app.close();
  }

  async #start(service: object, url: string, words: SettingsWords = {}): Promise<Sidecar> {
    const settings = {
      service,
      listen: { app: free, admin: free, control: 'none', ...('port' in service && { peers: free }) },
      discovery: { consul: { url } },
      'state-dir': 'none',
    };
    const { settings: read } = readSettings(JSON.stringify(settings), 'test.yaml', tmpdir(), {
      overlay: words,
    });
    const sidecar = await startSidecar(read, { sabotage: new Set(this.#options.sabotage ?? []) });
    await sidecar.ready;
    return sidecar;
  }
}

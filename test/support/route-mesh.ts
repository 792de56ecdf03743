import type { RouteTable } from '../../sidecar/core/routes.ts';
import { type Sidecar, startSidecar } from '../../sidecar/index.ts';
import { readSettings } from '../../sidecar/settings/load.ts';
import { type Api, apiOf } from './consul-api.ts';
import { type EchoApp, startEcho } from './echo.ts';
import { type CallWords, EchoClient } from './echo-client.ts';
import { type SlowAgent, slowAgent } from './slow-agent.ts';

/** The apps of the mesh: two versions of `web`, and two services of one instance. */
export type AppName = 'v1' | 'v2' | 'spare' | 'admin';

/** Sidecars that know nothing but an agent, and what a test does to its config entries. */
export interface RouteMesh {
  readonly apps: Readonly<Record<AppName, EchoApp>>;
  readonly sidecars: Readonly<Record<AppName, Sidecar>>;
  /** The caller's, whose routes are tested. */
  readonly caller: Sidecar;
  /** Of the caller's app, naming `web`. */
  readonly client: EchoClient;
  /** Another caller with its own sidecar and a client that names `web`. */
  addCaller(name: string): Promise<{ readonly client: EchoClient; readonly caller: Sidecar }>;
  /** Writes an entry; throws what the agent says when it refuses it. */
  put(entry: object): Promise<void>;
  remove(kind: string, name: string): Promise<void>;
  /** Takes out all entries but those that say which protocol services speak. */
  clear(): Promise<void>;
  /** Makes one call and says which app it reached, or how it ended. */
  where(words?: CallWords, client?: EchoClient): Promise<AppName | string>;
  /** Makes a change and waits until the caller's routes of `web` are others; how long that took, in milliseconds. */
  changes(change: () => Promise<void>): Promise<number>;
  close(): Promise<void>;
}

const free = '127.0.0.1:0';
const patienceMs = 5000;

/** Lists of instances come to the caller so late, milliseconds: whoever did not wait for them would be noticed. */
const listMs = 150;

/**
 * Starts four apps with their sidecars on an agent, and a caller to whom it is slow to list instances; all of them are
 * found when it resolves.
 */
export const routeMesh = async (agentUrl: string): Promise<RouteMesh> => {
  const mesh = new OnAgent(agentUrl);
  try {
    await mesh.open();
  } catch (thrown) {
    await mesh.close();
    throw thrown;
  }
  return mesh;
};

const kinds = ['service-router', 'service-splitter', 'service-resolver'];
const names: readonly AppName[] = ['v1', 'v2', 'spare', 'admin'];

class OnAgent implements RouteMesh {
  apps!: Record<AppName, EchoApp>;
  sidecars!: Record<AppName, Sidecar>;
  caller!: Sidecar;
  client!: EchoClient;
  readonly #url: string;
  readonly #api: Api;
  readonly #closing: { close(): unknown }[] = [];
  #slow!: SlowAgent;
  #marks = 0;

  constructor(url: string) {
    this.#url = url;
    this.#api = apiOf(url);
  }

  async open(): Promise<void> {
    const apps: Partial<Record<AppName, EchoApp>> = {};
    const sidecars: Partial<Record<AppName, Sidecar>> = {};
    for (const Name of ['web', 'spare', 'admin'])
      await this.put({ Kind: 'service-defaults', Name, Protocol: 'grpc' });
    for (const name of names) {
      const app = this.#keep(await startEcho());
      const isWeb = name === 'v1' || name === 'v2';
      const service = {
        name: isWeb ? 'web' : name,
        port: app.port,
        ...(isWeb && { meta: { version: name } }),
      };
      apps[name] = app;
      sidecars[name] = this.#keep(await this.#start(service));
    }
    this.apps = apps as Record<AppName, EchoApp>;
    this.sidecars = sidecars as Record<AppName, Sidecar>;
    const isList = ({ pathname, searchParams }: URL): boolean =>
      pathname.startsWith('/v1/health/connect/') && !searchParams.has('index');
    this.#slow = this.#keep(await slowAgent(this.#url, (asked) => (isList(asked) ? listMs : 0)));
    ({ caller: this.caller, client: this.client } = await this.addCaller('edge'));
    for (const [service, count] of [
      ['web', 2],
      ['spare', 1],
      ['admin', 1],
    ] as const)
      await this.#api.until(
        `/v1/health/connect/${service}?passing`,
        (answer) => answer.json().length === count,
      );
  }

  async addCaller(name: string): Promise<{ client: EchoClient; caller: Sidecar }> {
    const caller = this.#keep(await this.#start({ name }, this.#slow.url));
    const client = this.#keep(new EchoClient(caller.ports.app, { 'grpc.default_authority': 'web' }));
    return { caller, client };
  }

  async put(entry: object): Promise<void> {
    const { status, text } = await this.#api.put('/v1/config', entry);
    if (status !== 200 || text.trim() !== 'true') throw new Error(`${status}: ${text}`);
  }

  async remove(kind: string, name: string): Promise<void> {
    const { status, text } = await this.#api.delete(`/v1/config/${kind}/${name}`);
    if (status !== 200) throw new Error(`${status}: ${text}`);
  }

  async clear(): Promise<void> {
    for (const kind of kinds) {
      const entries: { Name: string }[] = (await this.#api.get(`/v1/config/${kind}`)).json() ?? [];
      for (const { Name } of entries) await this.remove(kind, Name);
    }
  }

  async where(
    { metadata = [], ...words }: CallWords = {},
    client: EchoClient = this.client,
  ): Promise<AppName | string> {
    const mark = String(++this.#marks);
    const before = names.map((name) => this.apps[name].seen.length);
    const { code, message } = await client.call('Unary', 'm', {
      ...words,
      metadata: [...metadata, ['x-mark', mark]],
    });
    if (code !== 0) return `${code}: ${message}`;
    const saw = (name: AppName, from: number): boolean =>
      this.apps[name].seen.slice(from).some((call) => call.metadata.get('x-mark')[0] === mark);
    return names.find((name, at) => saw(name, before[at]!)) ?? 'nowhere';
  }

  async changes(change: () => Promise<void>): Promise<number> {
    const table = (): RouteTable | null => this.caller.snapshot().routes.get('web') ?? null;
    const before = table();
    await change();
    const begun = performance.now();
    while (table() === before) {
      if (performance.now() - begun > patienceMs) throw new Error('the routes of web do not change');
      await new Promise((later) => setTimeout(later, 5));
    }
    return performance.now() - begun;
  }

  async close(): Promise<void> {
    for (const each of this.#closing.splice(0).reverse()) await each.close();
  }

  #keep<T extends { close(): unknown }>(each: T): T {
    this.#closing.push(each);
    return each;
  }

  async #start(service: object, url: string = this.#url): Promise<Sidecar> {
    const settings = {
      service,
      listen: { app: free, admin: free, control: 'none', ...('port' in service && { peers: free }) },
      discovery: { consul: { url } },
    };
    const read = readSettings(JSON.stringify(settings), 'test.yaml', '/');
    const sidecar = await startSidecar(read.settings);
    await sidecar.ready;
    return sidecar;
  }
}

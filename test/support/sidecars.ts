import type * as grpc from '@grpc/grpc-js';
import type { Log } from '../../sidecar/core/log.ts';
import { type Sidecar, startSidecar } from '../../sidecar/index.ts';
import type { Sabotage } from '../../sidecar/sabotage.ts';
import { readSettings } from '../../sidecar/settings/load.ts';
import { type Certificates, certificates, type IdentityFiles } from './certificates.ts';
import { type EchoApp, startEcho } from './echo.ts';
import { EchoClient } from './echo-client.ts';

/** Keys of a settings file, laid over what the test needs anyway. */
export type SettingsWords = Readonly<Record<string, unknown>>;

/** What differs from one caller and one callee. */
export interface TwoSidecarsOptions {
  /** Instances of `echo`, each an app with its sidecar; default 1. */
  readonly instances?: number;
  /** Laid over the caller's settings. */
  readonly caller?: SettingsWords;
  /** Laid over each callee's settings. */
  readonly callee?: SettingsWords | ((instance: number) => SettingsWords);
  /** Where apps listen; default 127.0.0.1:0. */
  readonly app?: (instance: number) => string;
  readonly sabotage?: readonly Sabotage[];
  /** Who the caller is; default `web`. */
  readonly callerName?: string;
  /** Hears of every line that a sidecar logs. */
  readonly log?: Log;
  /** False: no mutual TLS, identity none. */
  readonly secure?: boolean;
}

/** Options of a client's channel; `target` is the caller's sidecar by default. */
export interface ClientWords extends grpc.ChannelOptions {
  readonly target?: string;
}

/** A caller's sidecar and one or more of `echo`, in this process, with mutual TLS between them. */
export interface TwoSidecars {
  readonly caller: Sidecar;
  readonly callees: readonly Sidecar[];
  readonly apps: readonly EchoApp[];
  readonly certificates: Certificates;
  /** Of the caller's app, naming `echo`. Closed with the rest. */
  readonly client: EchoClient;
  /** Another such client. */
  connect(authority?: string, options?: ClientWords): EchoClient;
  /** Another sidecar that calls `echo`. Closed with the rest. */
  addCaller(name: string, words?: SettingsWords, identity?: IdentityFiles): Promise<Sidecar>;
  close(): Promise<void>;
}

/** Starts all of it; both sides are ready when it resolves. */
export const twoSidecars = async (options: TwoSidecarsOptions = {}): Promise<TwoSidecars> => {
  const mesh = new InProcess(await certificates(), options);
  try {
    await mesh.open();
  } catch (thrown) {
    await mesh.close();
    throw thrown;
  }
  return mesh;
};

/** Lines of `/metrics` as a map from the line's name and labels to its value. */
export const metricsOf = (sidecar: Sidecar): ReadonlyMap<string, number> =>
  new Map(
    sidecar
      .metrics()
      .text.split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );

/** The sum of a metric over all its labels that contain each of `labels`, such as `code="OK"`. */
export const sumOf = (sidecar: Sidecar, name: string, ...labels: string[]): number => {
  let sum = 0;
  for (const [line, value] of metricsOf(sidecar))
    if ((line === name || line.startsWith(`${name}{`)) && labels.every((label) => line.includes(label)))
      sum += value;
  return sum;
};

class InProcess implements TwoSidecars {
  caller!: Sidecar;
  client!: EchoClient;
  readonly callees: Sidecar[] = [];
  readonly apps: EchoApp[] = [];
  readonly certificates: Certificates;
  readonly #options: TwoSidecarsOptions;
  readonly #clients: EchoClient[] = [];
  readonly #callers: Sidecar[] = [];

  constructor(made: Certificates, options: TwoSidecarsOptions) {
    this.certificates = made;
    this.#options = options;
  }

  async open(): Promise<void> {
    const { instances = 1, callee = {}, app = () => '127.0.0.1:0', callerName = 'web' } = this.#options;
    const secure = this.#options.secure ?? true;
    const identity = secure ? { files: await this.certificates.write('echo') } : 'none';
    for (let i = 0; i < instances; i++) {
      const echo = await startEcho(app(i));
      this.apps.push(echo);
      const settings = {
        service: { name: 'echo', ...echo.place },
        listen: { ...free, peers: '127.0.0.1:0' },
        discovery: { static: { services: {} } },
        identity,
      };
      this.callees.push(await this.#start(settings, typeof callee === 'function' ? callee(i) : callee));
    }
    this.caller = await this.addCaller(callerName, this.#options.caller);
    this.client = this.connect('echo');
  }

  connect(authority?: string, { target = this.caller.ports.app, ...words }: ClientWords = {}): EchoClient {
    const client = new EchoClient(target, {
      ...words,
      ...(authority !== undefined && { 'grpc.default_authority': authority }),
    });
    this.#clients.push(client);
    return client;
  }

  async addCaller(name: string, words: SettingsWords = {}, identity?: IdentityFiles): Promise<Sidecar> {
    const secure = this.#options.secure ?? true;
    const settings = {
      service: { name },
      listen: free,
      discovery: { static: { services: { echo: this.callees.map((callee) => callee.ports.peers) } } },
      identity: secure ? { files: identity ?? (await this.certificates.write(name)) } : 'none',
    };
    const sidecar = await this.#start(settings, words);
    this.#callers.push(sidecar);
    return sidecar;
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await Promise.all([...this.#callers, ...this.callees].map((sidecar) => sidecar.close()));
    for (const app of this.apps) app.close();
    await this.certificates.close();
  }

  async #start(settings: SettingsWords, words: SettingsWords): Promise<Sidecar> {
    const text = JSON.stringify(settings);
    const loaded = readSettings(text, 'test.yaml', this.certificates.directory, { overlay: words });
    const { log, sabotage } = this.#options;
    const sidecar = await startSidecar(loaded.settings, {
      ...(log !== undefined && { log }),
      ...(sabotage !== undefined && { sabotage: new Set(sabotage) }),
    });
    // With a certificate that has expired it never is.
    if ((sidecar.identity()?.validTo ?? Number.POSITIVE_INFINITY) > Date.now()) await sidecar.ready;
    return sidecar;
  }
}

const free = { app: '127.0.0.1:0', admin: '127.0.0.1:0', control: 'none' } as const;

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as grpc from '@grpc/grpc-js';
import { startAgent } from '../../sidecar/consul-dev/index.ts';
import { type Sidecar, startSidecar } from '../../sidecar/index.ts';
import { readSettings } from '../../sidecar/settings/load.ts';
import { type EchoApp, startEcho } from './echo.ts';
import { EchoClient } from './echo-client.ts';
import { type Envoy, type EnvoyPlan, startEnvoy } from './envoy.ts';
import { startRealConsul } from './real-consul.ts';

/** Our `web` and `echo` on a Consul, beside which proxies of other makes are started. */
export interface BesideProxies {
  readonly url: string;
  readonly web: Sidecar;
  readonly echo: Sidecar;
  /** The app of `echo`. */
  readonly app: EchoApp;
  /** One unary call through `port` of loopback, as `authority`; again until it ends with OK. */
  call(port: number, authority: string): Promise<{ code: grpc.status; message: string }>;
  /** Writes the intention, over one that there is; null takes it away. */
  intend(from: string, to: string, action: 'allow' | 'deny' | null): Promise<void>;
  /** Whether the agent, whom Consul's own proxy asks, lets `from` call `to`. */
  authorizes(from: string, to: string): Promise<boolean>;
  /** Another sidecar of ours for `web`, without a connection to anybody. */
  addWeb(): Promise<Sidecar>;
  /** The SPIFFE id of a service, in Consul's form. */
  idOf(service: string): Promise<string>;
  /** Another app, without a sidecar of ours. */
  addApp(): Promise<EchoApp>;
  /** `consul connect proxy`; ended with the rest. */
  builtIn(words: readonly string[]): Promise<void>;
  /** An Envoy with a leaf of Consul's for `service`; ended with the rest. */
  envoy(service: string, plan: Omit<EnvoyPlan, 'files' | 'expects'>, peer: string): Promise<Envoy>;
  /** Registers a proxy of `service` that somebody else runs. */
  register(service: string, port: number): Promise<void>;
  close(): Promise<void>;
}

interface Roots {
  readonly TrustDomain: string;
  readonly Roots: readonly { readonly RootCert: string }[];
}

const patienceMs = 15_000;
const free = '127.0.0.1:0';

/** Starts all of it; `real`: with a real Consul, else with a development agent. */
export const besideProxies = async (real: boolean): Promise<BesideProxies> => {
  const mesh = new Beside();
  try {
    await mesh.open(real);
  } catch (thrown) {
    await mesh.close();
    throw thrown;
  }
  return mesh;
};

class Beside implements BesideProxies {
  url = '';
  web!: Sidecar;
  echo!: Sidecar;
  app!: EchoApp;
  #directory = '';
  readonly #closing: { close(): unknown }[] = [];

  async open(real: boolean): Promise<void> {
    this.#directory = await mkdtemp(join(tmpdir(), 'outrigger-proxies-'));
    const consul = this.#keep(real ? await startRealConsul() : await startAgent());
    this.url = consul.url;
    this.app = await this.addApp();
    this.echo = await this.#sidecar({ name: 'echo', port: this.app.port }, { peers: free });
    this.web = await this.#sidecar({ name: 'web' }, {});
  }

  async call(port: number, authority: string): Promise<{ code: grpc.status; message: string }> {
    const end = Date.now() + patienceMs;
    for (;;) {
      const client = new EchoClient(`127.0.0.1:${port}`, { 'grpc.default_authority': authority });
      const { code, message } = await client.call('Unary', 'm', { deadlineMs: 5000 });
      client.close();
      // Consul tells of what was registered a moment later.
      if (code === 0 || Date.now() > end) return { code, message };
      await new Promise((next) => setTimeout(next, 100));
    }
  }

  async intend(from: string, to: string, action: 'allow' | 'deny' | null): Promise<void> {
    const all = (await (await this.#ask('GET', '/v1/connect/intentions')).json()) as
      | { ID: string; SourceName: string; DestinationName: string }[]
      | null;
    const known = all?.find((each) => each.SourceName === from && each.DestinationName === to);
    const path = `/v1/connect/intentions${known === undefined ? '' : `/${known.ID}`}`;
    const body = { SourceName: from, DestinationName: to, Action: action };
    const answer =
      action === null
        ? await this.#ask('DELETE', path)
        : await this.#ask(known === undefined ? 'POST' : 'PUT', path, body);
    if (!answer.ok) throw new Error(await answer.text());
  }

  async authorizes(from: string, to: string): Promise<boolean> {
    const body = { Target: to, ClientCertURI: await this.idOf(from), ClientCertSerial: '' };
    const answer = await this.#ask('POST', '/v1/agent/connect/authorize', body);
    return ((await answer.json()) as { Authorized: boolean }).Authorized;
  }

  addWeb(): Promise<Sidecar> {
    return this.#sidecar({ name: 'web' }, {});
  }

  async idOf(service: string): Promise<string> {
    const { TrustDomain } = await this.#roots();
    return `spiffe://${TrustDomain}/ns/default/dc/dc1/svc/${service}`;
  }

  async addApp(): Promise<EchoApp> {
    return this.#keep(await startEcho());
  }

  async builtIn(words: readonly string[]): Promise<void> {
    const address = this.url.replace('http://', '');
    const child = spawn('consul', ['connect', 'proxy', '-http-addr', address, ...words], { stdio: 'ignore' });
    this.#keep({ close: () => killed(child) });
  }

  async envoy(service: string, plan: Omit<EnvoyPlan, 'files' | 'expects'>, peer: string): Promise<Envoy> {
    const leaf = (await (await this.#ask('GET', `/v1/agent/connect/ca/leaf/${service}`)).json()) as {
      CertPEM: string;
      PrivateKeyPEM: string;
    };
    const files = {
      cert: join(this.#directory, `${service}.pem`),
      key: join(this.#directory, `${service}.key`),
      ca: join(this.#directory, `${service}.ca`),
    };
    await writeFile(files.cert, leaf.CertPEM);
    await writeFile(files.key, leaf.PrivateKeyPEM);
    const { Roots } = await this.#roots();
    await writeFile(files.ca, Roots.map(({ RootCert }) => RootCert).join(''));
    return this.#keep(await startEnvoy({ ...plan, files, expects: await this.idOf(peer) }, this.#directory));
  }

  async register(service: string, port: number): Promise<void> {
    const answer = await this.#ask('PUT', '/v1/agent/service/register', {
      ID: `${service}-proxy`,
      Name: `${service}-proxy`,
      Kind: 'connect-proxy',
      Address: '127.0.0.1',
      Port: port,
      Proxy: { DestinationServiceName: service },
    });
    if (!answer.ok) throw new Error(await answer.text());
  }

  async close(): Promise<void> {
    for (const each of this.#closing.splice(0).reverse()) await each.close();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #roots(): Promise<Roots> {
    return (await (await this.#ask('GET', '/v1/agent/connect/ca/roots')).json()) as Roots;
  }

  #ask(method: string, path: string, body?: object): Promise<Response> {
    return fetch(`${this.url}${path}`, { method, ...(body && { body: JSON.stringify(body) }) });
  }

  #keep<T extends { close(): unknown }>(each: T): T {
    this.#closing.push(each);
    return each;
  }

  async #sidecar(service: object, listen: object): Promise<Sidecar> {
    const settings = {
      service,
      listen: { app: free, admin: free, control: 'none', ...listen },
      discovery: { consul: { url: this.url } },
      'state-dir': 'none',
    };
    const read = readSettings(JSON.stringify(settings), 'test.yaml', '/');
    const sidecar = this.#keep(await startSidecar(read.settings));
    await sidecar.ready;
    return sidecar;
  }
}

const killed = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });

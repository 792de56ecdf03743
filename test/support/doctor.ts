import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp, type RequestListener } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach } from 'vitest';
import { doctor } from '../../sidecar/cli/doctor.ts';
import { startAgent } from '../../sidecar/consul-dev/index.ts';
import type { Diagnosis } from '../../sidecar/doctor/examine.ts';
import type { World } from '../../sidecar/doctor/world.ts';
import { type Sidecar, startSidecar } from '../../sidecar/index.ts';
import { readSettings } from '../../sidecar/settings/load.ts';
import { type Api, apiOf } from './consul-api.ts';
import { type EchoApp, startEcho } from './echo.ts';

/** What the doctor said of a file. */
export interface Examined {
  readonly code: number;
  /** `check: cause`, a line each. */
  readonly causes: string[];
  readonly remedies: string[];
}

/** What differs from this host. */
export interface Seeded {
  readonly env?: NodeJS.ProcessEnv;
  readonly change?: (world: World) => World;
}

/** Where one test file puts hosts together that have something wrong with them; all is gone after each test. */
export interface Clinic {
  readonly folder: string;
  keep<T extends { close(): unknown }>(each: T): T;
  /** Runs `outrigger doctor` on a settings file with this text. */
  examine(text: string, seeded?: Seeded): Promise<Examined>;
  /** A development agent with a healthy `echo` behind its sidecar. */
  mesh(): Promise<Mesh>;
  /** A sidecar with these settings, ready. */
  sidecar(text: string): Promise<Sidecar>;
  /** Something that is no gRPC server, or no Consul: answers its port. */
  tcp(server?: Server): Promise<number>;
  http(listener: RequestListener): Promise<number>;
}

/** What a healthy host has. */
export interface Mesh {
  readonly url: string;
  readonly api: Api;
  readonly app: EchoApp;
  readonly echo: Sidecar;
}

const quiet = 'listen: { app: 127.0.0.1:0, admin: 127.0.0.1:0, control: none';

/** The settings of `web`, which calls `echo`, with more keys. */
export const webOn = (url: string, more: string = ''): string =>
  `service: { name: web }\n${quiet} }\ndiscovery: { consul: { url: ${url} } }\nupstreams: { echo: 127.0.0.1:0 }\n${more}`;

/** The settings of `echo` before an app, with more keys. */
export const echoOn = (url: string, port: number, more: string = ''): string =>
  `service: { name: echo, port: ${port} }\n${quiet}, peers: 127.0.0.1:0 }\ndiscovery: { consul: { url: ${url} } }\n${more}`;

/** Opens one for the tests of a file. */
export const clinic = (): Clinic => {
  const open: { close(): unknown }[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-doctor-'));
  afterEach(async () => {
    for (const each of open.splice(0).reverse()) await each.close();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const keep: Clinic['keep'] = (each) => {
    open.push(each);
    return each;
  };
  const listening = async (server: Server): Promise<number> => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    keep(server);
    return (server.address() as AddressInfo).port;
  };
  const sidecar: Clinic['sidecar'] = async (text) => {
    const started = keep(await startSidecar(readSettings(text, 'mesh.yaml', folder).settings));
    await started.ready;
    return started;
  };
  return {
    folder,
    keep,
    sidecar,
    examine: async (text, { env = {}, change } = {}) => {
      const file = join(folder, 'mesh.yaml');
      writeFileSync(file, text);
      let said = '';
      const write = (line: string): void => void (said = line);
      const code = await doctor(
        file,
        { json: true },
        { env, write, ...(change === undefined ? {} : { change }) },
      );
      const { findings } = JSON.parse(said) as { findings: Diagnosis[] };
      return {
        code,
        causes: findings.map(({ check, cause }) => `${check}: ${cause}`),
        remedies: findings.map(({ remedy }) => remedy),
      };
    },
    mesh: async () => {
      const agent = keep(await startAgent());
      const app = keep(await startEcho());
      const api = apiOf(agent.url);
      const echo = await sidecar(echoOn(agent.url, app.port));
      await api.until('/v1/health/connect/echo?passing', (answer) => answer.json().length === 1);
      return { url: agent.url, api, app, echo };
    },
    tcp: (server = createServer(() => {})) => listening(server),
    http: (listener) => listening(createHttp(listener) as unknown as Server),
  };
};

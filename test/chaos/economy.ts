import { type ChildProcess, fork } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type EchoApp, startEcho } from '../support/echo.ts';
import { EchoClient } from '../support/echo-client.ts';
import type { RealConsul } from '../support/real-consul.ts';
import type { Cost, Heard } from './economy-sidecar.ts';

/** A sidecar in a process of its own. */
export interface Apart {
  readonly heard: Heard[];
  /** Makes it watch these services, the last one called last. */
  want(names: readonly string[]): Promise<void>;
  /** Counts what it costs from here on. */
  begin(): void;
  /** Tells of every change from here on, which costs a little itself. */
  listen(): void;
  cost(): Promise<Cost>;
  close(): Promise<void>;
}

const ending = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
const free = '127.0.0.1:0';
const patienceMs = 60_000;

/** Starts one, beside an app of its own. */
export const startApart = async (consul: RealConsul, name: string): Promise<Apart> => {
  const app = await startEcho();
  const settings = {
    service: { name, port: app.port },
    listen: { app: free, admin: free, peers: free, control: 'none' },
    discovery: { consul: { url: consul.url } },
  };
  const program = fileURLToPath(new URL(`./economy-sidecar${ending}`, import.meta.url));
  const child = fork(program, [JSON.stringify(settings)], { execArgv: process.execArgv });
  const apart = new Process(child, app);
  await apart.open();
  return apart;
};

class Process implements Apart {
  readonly heard: Heard[] = [];
  readonly #child: ChildProcess;
  readonly #app: EchoApp;
  #port = '';
  #tell: (word: { app: string } | Cost) => void = () => {};

  constructor(child: ChildProcess, app: EchoApp) {
    this.#child = child;
    this.#app = app;
    child.on('message', (word: Heard | { app: string } | Cost) => {
      if ('service' in word) this.heard.push(word);
      else this.#tell(word);
    });
  }

  async open(): Promise<void> {
    this.#port = ((await this.#next()) as { app: string }).app;
  }

  async want(names: readonly string[]): Promise<void> {
    const client = new EchoClient(this.#port);
    for (const name of names)
      await client.call('Unary', 'm', { deadlineMs: 2000, metadata: [['x-outrigger-service', name]] });
    client.close();
  }

  begin(): void {
    this.#child.send('begin');
  }

  listen(): void {
    this.#child.send('listen');
  }

  async cost(): Promise<Cost> {
    const told = this.#next();
    this.#child.send('report');
    return (await told) as Cost;
  }

  async close(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.connected) this.#child.send('end');
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 5000);
    await gone;
    clearTimeout(late);
    this.#app.close();
  }

  #next(): Promise<{ app: string } | Cost> {
    return new Promise((resolve, reject) => {
      const gone = (code: number | null): void => reject(new Error(`a sidecar ended with ${code}`));
      this.#child.once('exit', gone);
      this.#tell = (word) => {
        this.#child.off('exit', gone);
        resolve(word);
      };
    });
  }
}

/** The name of the `at`th service that is only there to be watched. */
export const nameOf = (at: number): string => `upstream-${at}`;

/** Registers an instance that nobody will call. */
export const addInstance = async (consul: RealConsul, service: string, at: number): Promise<void> => {
  const body = JSON.stringify({
    ID: `${service}-${at}-sidecar-proxy`,
    Name: `${service}-sidecar-proxy`,
    Kind: 'connect-proxy',
    Address: '127.0.0.1',
    Port: 20_000 + at,
    Meta: { outrigger: '1' },
    Proxy: { DestinationServiceName: service },
  });
  const answer = await fetch(`${consul.url}/v1/agent/service/register`, { method: 'PUT', body });
  if (!answer.ok) throw new Error(`${service} was not registered: ${answer.status} ${await answer.text()}`);
};

/** Takes it out again. */
export const removeInstance = async (consul: RealConsul, service: string, at: number): Promise<void> => {
  await fetch(`${consul.url}/v1/agent/service/deregister/${service}-${at}-sidecar-proxy`, { method: 'PUT' });
};

/**
 * Makes all sidecars watch so many services of so many instances each. The instances come when the names are watched
 * already: nobody is called, so nobody is dialled.
 */
export const crowd = async (
  consul: RealConsul,
  all: readonly Apart[],
  services: number,
  instances: number,
): Promise<void> => {
  // No more at a time than names that have no instance may be watched.
  for (let from = 0; from < services; from += 40) {
    const names = Array.from({ length: Math.min(40, services - from) }, (_, at) => nameOf(from + at));
    await Promise.all(all.map((one) => one.want(names)));
    for (const name of names)
      await Promise.all(Array.from({ length: instances }, (_, place) => addInstance(consul, name, place)));
    for (const one of all) await knows(one, from + names.length);
  }
};

const knows = async (one: Apart, services: number): Promise<void> => {
  const end = Date.now() + patienceMs;
  for (;;) {
    const { known } = await one.cost();
    if (known >= services) return;
    if (Date.now() > end) throw new Error(`a sidecar knows ${known} of ${services} services`);
    await pause(100);
  }
};

/** Milliseconds of CPU that a process has used. Ref: proc(5), `/proc/pid/stat`. */
export const cpuOf = async (pid: number): Promise<number> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const tickMs = 10;
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
};

/** Counts checks that are critical while it goes on. */
export const criticalSeen = (consul: RealConsul): { stop(): Promise<number> } => {
  let going = true;
  const seen = new Set<string>();
  const work = (async () => {
    while (going) {
      const answer = await fetch(`${consul.url}/v1/health/state/critical`).catch(() => null);
      const checks = (await answer?.json().catch(() => [])) as { CheckID: string }[] | undefined;
      for (const { CheckID } of checks ?? []) seen.add(CheckID);
      await pause(200);
    }
  })();
  return {
    stop: async () => {
      going = false;
      await work;
      return seen.size;
    },
  };
};

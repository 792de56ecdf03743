import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type DevelopmentAgent, startAgent } from '../../sidecar/consul-dev/index.ts';
import { type Sidecar, startSidecar } from '../../sidecar/index.ts';
import { readSettings } from '../../sidecar/settings/load.ts';
import { EchoClient } from '../support/echo-client.ts';
import type { SettingsWords } from '../support/sidecars.ts';
import type { Orders } from './member.ts';
import type { Ground } from './partial.ts';

const ending = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
const free = '127.0.0.1:0';
const patienceMs = 20_000;

/** A process of the fleet, and the port that it said. */
interface Started {
  readonly child: ChildProcess;
  readonly port: number;
}

const start = async (words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Started> => {
  const program = fileURLToPath(new URL(`./member${ending}`, import.meta.url));
  const child = fork(program, words, { execArgv: process.execArgv, env: { ...process.env, ...env } });
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (said) => resolve((said as { port: number }).port));
    child.once('exit', (code, signal) => reject(new Error(`a member ended with ${signal ?? code}`)));
  });
  return { child, port };
};

/** Ends a process, which may be stopped, and waits for it. */
const end = async (child: ChildProcess, signal: NodeJS.Signals): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
};

/** An app and its sidecar, each a process. */
export interface Member {
  app: Started;
  sidecar: Started;
}

/** Fleet is instances of `echo` in processes of their own, on a development agent, and a caller in this process. */
export class Fleet implements Ground {
  readonly members: Member[] = [];
  caller!: Sidecar;
  client!: EchoClient;
  #agent!: DevelopmentAgent;
  readonly #app: readonly string[];

  private constructor(app: readonly string[]) {
    this.#app = app;
  }

  /** `words` are laid over the caller's settings; apps write what they carry out into `folder`. */
  static async open(instances: number, words: SettingsWords = {}, folder?: string): Promise<Fleet> {
    const fleet = new Fleet(folder === undefined ? ['app'] : ['app', folder]);
    try {
      fleet.#agent = await startAgent();
      for (let i = 0; i < instances; i++) await fleet.add();
      const caller = { service: { name: 'web' }, ...fleet.#common, ...words };
      const { settings } = readSettings(JSON.stringify(caller), 'fleet.yaml', tmpdir());
      fleet.caller = await startSidecar(settings);
      await fleet.caller.ready;
      fleet.client = new EchoClient(fleet.caller.ports.app, { 'grpc.default_authority': 'echo' });
      await fleet.settled(instances);
    } catch (thrown) {
      await fleet.close();
      throw thrown;
    }
    return fleet;
  }

  /** Starts an app with its sidecar; registered when it resolves. */
  async add(): Promise<void> {
    const app = await start(this.#app);
    this.members.push({ app, sidecar: await this.#sidecar(app.port) });
  }

  /** Lets a sidecar leave in order, and waits until it has. */
  async leave({ sidecar: { child } }: Member): Promise<void> {
    await end(child, 'SIGTERM');
  }

  /** Starts the sidecar of a member again, in `env`, or its app and its sidecar: a new port is a new registration. */
  async restart(
    member: Member,
    what: 'sidecar' | 'both' = 'both',
    env: NodeJS.ProcessEnv = {},
  ): Promise<void> {
    if (what === 'both') {
      await end(member.app.child, 'SIGKILL');
      member.app = await start(this.#app);
    }
    await end(member.sidecar.child, 'SIGKILL');
    member.sidecar = await this.#sidecar(member.app.port, env);
  }

  /** Tells an app to fail every call from now on, or none; how many have failed so far. */
  async order({ app: { child } }: Member, orders: Orders): Promise<number> {
    child.send(orders);
    const [{ failed }] = (await once(child, 'message')) as [{ failed: number }];
    return failed;
  }

  /** What the caller knows of a member. */
  state(member: Member): ReturnType<Sidecar['endpoints']>[number] | undefined {
    return this.caller.endpoints().find(({ address }) => address.endsWith(`:${member.sidecar.port}`));
  }

  /** Resolves when the caller knows so many instances and a call goes well. */
  async settled(instances: number): Promise<void> {
    const until = Date.now() + patienceMs;
    for (;;) {
      const { code } = await this.client.call('Unary', 'm', { deadlineMs: 2000 });
      const known = this.caller.snapshot().services.get('echo')?.endpoints.length ?? 0;
      if (code === 0 && known >= instances) return;
      if (Date.now() > until) throw new Error(`the caller knows ${known} instances, code ${code}`);
      await pause(20);
    }
  }

  async close(): Promise<void> {
    this.client?.close();
    await this.caller?.close();
    for (const { app, sidecar } of this.members)
      await Promise.all([app, sidecar].map(({ child }) => end(child, 'SIGKILL')));
    await this.#agent?.close();
  }

  get #common(): SettingsWords {
    return {
      listen: { app: free, admin: free, control: 'none' },
      discovery: { consul: { url: this.#agent.url } },
      'state-dir': 'none',
    };
  }

  #sidecar(appPort: number, env: NodeJS.ProcessEnv = {}): Promise<Started> {
    const { listen, ...common } = this.#common;
    const settings = {
      service: { name: 'echo', port: appPort },
      listen: { ...(listen as object), peers: free },
      ...common,
    };
    return start([JSON.stringify(settings)], env);
  }
}

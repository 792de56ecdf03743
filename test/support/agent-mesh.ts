import type * as grpc from '@grpc/grpc-js';
import { type AgentOptions, type DevelopmentAgent, startAgent } from '../../sidecar/consul-dev/index.ts';
import { systemTime, type Time } from '../../sidecar/consul-dev/time.ts';
import { type Sidecar, startSidecar } from '../../sidecar/index.ts';
import type { Sabotage } from '../../sidecar/sabotage.ts';
import { readSettings } from '../../sidecar/settings/load.ts';
import { type EchoApp, startEcho } from './echo.ts';
import { EchoClient } from './echo-client.ts';
import { renewalsLog } from './rotation.ts';

/** What differs from a mesh on an agent with its usual leaves. */
export interface AgentMeshOptions extends AgentOptions {
  /** Defences that the callee goes without. */
  readonly sabotage?: readonly Sabotage[];
}

/** `web` and `echo`, in this process, that know each other and themselves from a development agent alone. */
export interface AgentMesh {
  readonly agent: DevelopmentAgent;
  readonly caller: Sidecar;
  readonly callees: readonly [Sidecar];
  /** Of the caller's app, naming `echo`. */
  readonly client: EchoClient;
  /** How often each side has got a new certificate or new roots, the less often renewed one's. */
  renewals(): number;
  /** One call of a caller that was not there before and is gone after it. */
  newcomer(name: string): Promise<grpc.status>;
  /** The serial number of the callee's leaf, as the agent has it. */
  serial(): Promise<string>;
  close(): Promise<void>;
}

/** Starts all of it; a call has gone through when it resolves. */
export const agentMesh = async ({ sabotage = [], ...options }: AgentMeshOptions = {}): Promise<AgentMesh> => {
  const mesh = new OnAgent();
  try {
    await mesh.open(options, sabotage);
  } catch (thrown) {
    await mesh.close();
    throw thrown;
  }
  return mesh;
};

/** The agent's time with its longest waits cut to `ms`: leaves of three days are made anew so soon. */
export const hasty = (ms: number): Time => ({
  ...systemTime,
  after: (wait, then) => systemTime.after(wait > 3600_000 ? ms : wait, then),
});

const free = '127.0.0.1:0';

class OnAgent implements AgentMesh {
  agent!: DevelopmentAgent;
  caller!: Sidecar;
  callees!: readonly [Sidecar];
  client!: EchoClient;
  readonly #counts: (() => number)[] = [];
  readonly #closing: { close(): unknown }[] = [];

  async open(options: AgentOptions, sabotage: readonly Sabotage[]): Promise<void> {
    this.agent = this.#keep(await startAgent(options));
    const app: EchoApp = this.#keep(await startEcho());
    this.callees = [this.#keep(await this.#start({ name: 'echo', port: app.port }, sabotage))];
    this.caller = this.#keep(await this.#start({ name: 'web' }));
    this.client = this.#keep(this.#connect(this.caller));
    const { code, message } = await this.client.call('Unary', 'm');
    if (code !== 0) throw new Error(`the first call ended with ${code}: ${message}`);
  }

  renewals(): number {
    return Math.min(...this.#counts.slice(0, 2).map((count) => count()));
  }

  async newcomer(name: string): Promise<grpc.status> {
    const sidecar = await this.#start({ name });
    const client = this.#connect(sidecar);
    try {
      return (await client.call('Unary', 'm')).code;
    } finally {
      client.close();
      await sidecar.close();
    }
  }

  async serial(): Promise<string> {
    const answer = await fetch(`${this.agent.url}/v1/agent/connect/ca/leaf/echo`);
    return ((await answer.json()) as { SerialNumber: string }).SerialNumber.replaceAll(':', '').toUpperCase();
  }

  async close(): Promise<void> {
    for (const each of this.#closing.splice(0).reverse()) await each.close();
  }

  #keep<T extends { close(): unknown }>(each: T): T {
    this.#closing.push(each);
    return each;
  }

  #connect(sidecar: Sidecar): EchoClient {
    return new EchoClient(sidecar.ports.app, { 'grpc.default_authority': 'echo' });
  }

  async #start(service: object, sabotage: readonly Sabotage[] = []): Promise<Sidecar> {
    const settings = {
      service,
      listen: { app: free, admin: free, control: 'none', ...('port' in service && { peers: free }) },
      discovery: { consul: { url: this.agent.url } },
    };
    const { log, renewals } = renewalsLog();
    this.#counts.push(renewals);
    const read = readSettings(JSON.stringify(settings), 'test.yaml', '/');
    const sidecar = await startSidecar(read.settings, { log, sabotage: new Set(sabotage) });
    await sidecar.ready;
    return sidecar;
  }
}

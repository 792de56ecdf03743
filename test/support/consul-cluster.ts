import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePorts } from './free-ports.ts';

/** One agent of a real Consul, server or client, that a test may kill, freeze and start again. */
export interface ClusterAgent {
  readonly url: string;
  readonly pid: number;
  /** By SIGKILL. */
  kill(): Promise<void>;
  /** By SIGSTOP: its sockets stay open and say nothing. */
  freeze(): void;
  thaw(): void;
  /** Starts it again on its ports, with what it kept, or with nothing. */
  restart(how?: 'empty'): Promise<void>;
}

/** Three servers and a client agent on loopback, as one finds them in production but for the network. */
export interface ConsulCluster {
  readonly servers: readonly ClusterAgent[];
  readonly client: ClusterAgent;
  /** The server that leads now. */
  leader(): Promise<ClusterAgent>;
  /** Resolves when there is a leader and its CA answers, asked at the client. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** Agents tell servers that began anew of themselves within a minute. */
const startingMs = 90_000;

/** Starts all four; resolves when they have a leader and a CA. */
export const startCluster = async (): Promise<ConsulCluster> => {
  const directory = await mkdtemp(join(tmpdir(), 'consul-cluster-'));
  const ports = await freePorts(12);
  const joins = [2, 5, 8].flatMap((at) => ['-retry-join', `127.0.0.1:${ports[at]}`]);
  const agent = (at: number): Agent => {
    const [http, rpc, lan] = ports.slice(at * 3);
    const role = at < 3 ? ['-server', '-bootstrap-expect', '3'] : [];
    const name = at < 3 ? `server-${at + 1}` : 'client';
    const args = [
      ...['agent', ...role, '-node', name, '-bind', '127.0.0.1', '-client', '127.0.0.1', '-dns-port', '-1'],
      ...['-http-port', `${http}`, '-server-port', `${rpc}`, '-serf-lan-port', `${lan}`, ...joins],
      ...['-hcl', 'ports { serf_wan = -1 } connect { enabled = true } performance { raft_multiplier = 1 }'],
      // As on a host, whose id stays though its data are gone.
      ...['-node-id', `00000000-0000-4000-8000-00000000000${at}`],
      ...['-retry-interval', '1s', '-log-level', 'warn'],
    ];
    return new Agent(`http://127.0.0.1:${http}`, `127.0.0.1:${rpc}`, join(directory, name), args);
  };
  const agents = [0, 1, 2, 3].map(agent);
  const cluster = new Cluster(agents, directory);
  try {
    for (const one of agents) one.start();
    await cluster.settled();
  } catch (thrown) {
    await cluster.close();
    throw thrown;
  }
  return cluster;
};

class Cluster implements ConsulCluster {
  readonly servers: readonly Agent[];
  readonly client: Agent;
  readonly #directory: string;

  constructor(agents: readonly Agent[], directory: string) {
    this.servers = agents.slice(0, 3);
    this.client = agents[3]!;
    this.#directory = directory;
  }

  async leader(): Promise<ClusterAgent> {
    const address = await answer<string>(`${this.client.url}/v1/status/leader`);
    const found = this.servers.find(({ rpc }) => rpc === address);
    if (found === undefined) throw new Error(`no server is the leader at ${address}`);
    return found;
  }

  async settled(): Promise<void> {
    const until = Date.now() + startingMs;
    for (;;) {
      const [roots, nodes] = await Promise.all([
        answer(`${this.client.url}/v1/connect/ca/roots`).catch(() => null),
        answer<unknown[]>(`${this.client.url}/v1/catalog/nodes`).catch(() => []),
      ]);
      if (roots !== null && nodes.length === 4) return;
      if (Date.now() > until)
        throw new Error(`no cluster within ${startingMs} ms: ${await this.servers[0]!.said()}`);
      await pause(50);
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.servers, this.client].map((agent) => agent.kill()));
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

class Agent implements ClusterAgent {
  readonly url: string;
  /** Where other servers find it, as `/v1/status/leader` names it. */
  readonly rpc: string;
  readonly #directory: string;
  readonly #args: readonly string[];
  #child: ChildProcess | null = null;

  constructor(url: string, rpc: string, directory: string, args: readonly string[]) {
    this.url = url;
    this.rpc = rpc;
    this.#directory = directory;
    this.#args = args;
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  start(): void {
    const args = [...this.#args, '-data-dir', this.#directory, '-log-file', `${this.#directory}.log`];
    this.#child = spawn('consul', args, { stdio: 'ignore' });
  }

  async said(): Promise<string> {
    // Consul writes the time between name and suffix.
    const [home, name] = [dirname(this.#directory), basename(this.#directory)];
    const logs = (await readdir(home)).filter((file) => file.startsWith(`${name}-`)).sort();
    return logs.length === 0 ? 'it has no log' : readFile(join(home, logs.at(-1)!), 'utf8');
  }

  kill(): Promise<void> {
    const child = this.#child;
    return new Promise((resolve) => {
      if (child === null || child.exitCode !== null || child.signalCode !== null) return resolve();
      child.once('exit', () => resolve());
      child.kill('SIGKILL');
    });
  }

  freeze(): void {
    this.#child!.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child!.kill('SIGCONT');
  }

  async restart(how?: 'empty'): Promise<void> {
    await this.kill();
    if (how === 'empty') await rm(this.#directory, { recursive: true, force: true });
    this.start();
    const until = Date.now() + startingMs;
    while ((await answer(`${this.url}/v1/agent/self`).catch(() => null)) === null) {
      if (Date.now() > until) throw new Error(`the agent did not come back: ${await this.said()}`);
      await pause(20);
    }
  }
}

const answer = async <T>(url: string): Promise<T> => {
  const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return (await response.json()) as T;
};

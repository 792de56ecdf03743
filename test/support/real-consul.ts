import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from './free-ports.ts';

/** A real Consul that a test has started. */
export interface RealConsul {
  readonly url: string;
  readonly pid: number;
  /** Kills the process that was started, by its id, and removes its directory. */
  close(): Promise<void>;
}

/** The version of `consul` on PATH; null when there is none. */
export const consulVersion = (): string | null => {
  const found = spawnSync('consul', ['version'], { encoding: 'utf8' });
  return found.status === 0 ? (/Consul v(\S+)/.exec(found.stdout)?.[1] ?? 'unknown') : null;
};

const startingMs = 20_000;

/** How an agent of a test differs from `consul agent -dev`. */
export interface RealConsulOptions {
  /** More of its configuration, in Consul's own language. */
  readonly hcl?: string;
  /** Makes the first token of an agent with ACLs, once there is a leader; then it is asked with. */
  readonly bootstrap?: (url: string) => Promise<string>;
}

/** Starts `consul agent -dev` on free ports of loopback; resolves when it has a leader, a CA and its own node. */
export const startRealConsul = async ({ hcl, bootstrap }: RealConsulOptions = {}): Promise<RealConsul> => {
  const directory = await mkdtemp(join(tmpdir(), 'consul-'));
  const [http, grpc, server, lan, wan] = await freePorts(5);
  const log = join(directory, 'log');
  const child = spawn(
    'consul',
    [
      ...['agent', '-dev', '-node', 'real', '-bind', '127.0.0.1', '-client', '127.0.0.1', '-dns-port', '-1'],
      ...['-http-port', `${http}`, '-grpc-port', `${grpc}`, '-server-port', `${server}`],
      ...['-serf-lan-port', `${lan}`, '-serf-wan-port', `${wan}`, '-log-level', 'warn', '-log-file', log],
      ...(hcl === undefined ? [] : ['-hcl', hcl]),
    ],
    { cwd: directory, stdio: 'ignore' },
  );
  const close = async (): Promise<void> => {
    await killed(child);
    await rm(directory, { recursive: true, force: true });
  };
  const url = `http://127.0.0.1:${http}`;
  const until = Date.now() + startingMs;
  let token: string | undefined;
  while (!(await isReady(url, token))) {
    token ??= await bootstrap?.(url).catch(() => undefined);
    if (child.exitCode !== null || Date.now() > until) {
      const said = await readFile(log, 'utf8').catch(() => '');
      await close();
      throw new Error(`consul did not start within ${startingMs} ms (exit ${child.exitCode}): ${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { url, pid: child.pid!, close };
};

const isReady = async (url: string, token?: string): Promise<boolean> => {
  const ask = (path: string): Promise<Response> =>
    fetch(`${url}/v1${path}`, token === undefined ? {} : { headers: { 'X-Consul-Token': token } });
  try {
    const nodes = (await (await ask('/catalog/nodes')).json()) as unknown[];
    const services = (await (await ask('/catalog/services')).json()) as object;
    const roots = await ask('/connect/ca/roots');
    // An agent without Connect has none, and says so.
    const isSettled = roots.ok || /connect must be enabled/i.test(await roots.text());
    return nodes.length === 1 && 'consul' in services && isSettled;
  } catch {
    return false;
  }
};

const killed = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });

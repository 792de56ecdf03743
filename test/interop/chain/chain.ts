import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connect, type Mesh } from '../../../sdk/index.ts';
import { startAgent } from '../../../sidecar/consul-dev/index.ts';
import type { Sidecar } from '../../../sidecar/index.ts';
import { type AgentTable, atAgent } from '../../support/at-agent.ts';
import { freePorts } from '../../support/free-ports.ts';
import { root } from '../../support/sources.ts';
import { Hop, hopMethods, type Seen } from './methods.ts';

/** One service of the chain. */
export interface Link {
  readonly name: string;
  /** What each line of its log said. */
  readonly log: Seen[];
  readonly sidecar: Sidecar;
}

/** A chain of services, each an app in a process of its own with a sidecar, and a caller in this process. */
export interface Chain {
  readonly agent: AgentTable;
  /** The caller, its sidecar in the same process; it hosts `hop1` too, for when that is to be there. */
  readonly caller: Mesh;
  /** What `hop1` said while it was hosted by the caller. */
  readonly hosted: readonly Seen[];
  readonly links: readonly Link[];
  /** Says in the caller's settings where `hop1` runs from now on. */
  place(where: 'local' | 'mesh'): void;
  close(): Promise<void>;
}

/** The command of a hop with the SDK. */
export const nodeHop: readonly string[] = [
  process.execPath,
  '--import',
  import.meta.resolve('tsx'),
  join(root, 'test/interop/chain/hop.ts'),
];

const caller = 'web';

/** What differs from hop to hop, by its name. */
export interface HopWords {
  /** Laid over its sidecar's settings. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Of its app. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts `commands` as services `hop1`, `hop2` and so on, each calling the next. */
export const startChain = async (
  commands: readonly (readonly string[])[],
  hops: Readonly<Record<string, HopWords>> = {},
): Promise<Chain> => {
  const development = await startAgent();
  const agent = atAgent(development.url);
  const children: ChildProcess[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'chain-'));
  const config = join(folder, 'web.json');
  let mesh: Mesh | null = null;
  const close = async (): Promise<void> => {
    await mesh?.close();
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
    await agent.close();
    await development.close();
    rmSync(folder, { recursive: true });
  };
  const start = async (command: readonly string[], at: number): Promise<Link> => {
    const [port, app] = (await freePorts(2)) as [number, number];
    const name = `hop${at + 1}`;
    const next = at + 1 < commands.length ? `hop${at + 2}` : '';
    const env = {
      ...process.env,
      ...{ NAME: name, NEXT: next, PORT: String(port), OUTRIGGER_APP: `127.0.0.1:${app}` },
      ...hops[name]?.env,
    };
    const [program = '', ...args] = command;
    const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
    children.push(child);
    const log: Seen[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => {
      const said = JSON.parse(line) as Partial<Seen>;
      if (said.name !== undefined) log.push(said as Seen);
    });
    const listen = { app: `127.0.0.1:${app}`, admin: '127.0.0.1:0', peers: '127.0.0.1:0', control: 'none' };
    const sidecar = await agent.join({ name, port }, { listen, ...hops[name]?.settings });
    return { name, log, sidecar };
  };
  try {
    const links = await Promise.all(commands.map(start));
    const place = (where: 'local' | 'mesh'): void =>
      writeFileSync(
        config,
        JSON.stringify({
          service: { name: caller },
          listen: { admin: '127.0.0.1:0', control: 'none' },
          discovery: { consul: { url: development.url } },
          'state-dir': 'none',
          placement: { hop1: where },
          ...hops[caller]?.settings,
        }),
      );
    place('mesh');
    mesh = await connect({ config });
    const hosted: Seen[] = [];
    await mesh.host(
      Hop,
      'hop1',
      hopMethods(mesh, { name: 'hop1', next: 'hop2' }, (seen) => hosted.push(seen)),
    );
    return { agent, caller: mesh, hosted, links, place, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
};

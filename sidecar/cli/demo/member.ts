import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { type Client, connect } from '../../../sdk/index.ts';
import { freePort } from '../app.ts';
import { type Child, startChild } from './child.ts';
import { readDiary } from './diary.ts';
import { appArguments, guarded, outriggerArguments } from './programs.ts';
import { type Stage, stageDefinition } from './services.ts';

/** One app of the demo with its sidecar. */
export interface Member {
  /** `inventory-2` */
  readonly name: string;
  /** `inventory` */
  readonly service: string;
  /** `http://host:port` of the sidecar. */
  readonly admin: string;
  /** Where other sidecars reach it, `host:port`; empty for a pure caller. */
  readonly peers: string;
  /** The app's log. */
  readonly diary: string;
  /** Logs of its processes. */
  readonly logs: readonly string[];
  readonly sidecarPid: number;
  readonly appPid: number;
  readonly stage: Client<Stage>;
  /** Processes of it that have ended, in words. */
  ended(): readonly string[];
  killApp(): void;
  killSidecar(): void;
  /** Lets the app stand still: it is there, and does nothing. */
  freezeApp(): void;
  /** Asks its sidecar to leave, waits until it has, and ends the app behind it. */
  leave(): Promise<void>;
  end(graceMs: number): Promise<void>;
}

/** What a member is, and where it lives. */
export interface MemberPlan {
  readonly name: string;
  readonly service: string;
  /** Whether it answers calls, or is a pure caller. */
  readonly serves: boolean;
  /**
   * `run`: the app is a child of its sidecar's process, by `outrigger run`. `apart`: each is a process of its own, by
   * `outrigger sidecar`, as under an init system; either can be killed without the other.
   */
  readonly by: 'run' | 'apart';
  readonly flags: Readonly<Record<string, string>>;
}

/** Where the demo keeps things, and what it starts processes with. */
export interface Ground {
  /** A folder of our own. */
  readonly folder: string;
  readonly agentUrl: string;
  readonly env: NodeJS.ProcessEnv;
}

const startMs = 20_000;
/** A sidecar that has not drained by then is killed, in milliseconds. */
const leaveMs = 15_000;

/** Starts a sidecar and its app, and resolves when both are ready. `generation` tells a second start from the first. */
export const startMember = async (plan: MemberPlan, ground: Ground, generation: number): Promise<Member> => {
  const { name, service, serves } = plan;
  const at = (end: string): string => join(ground.folder, `${name}.${generation}.${end}`);
  const port = serves ? await freePort() : 0;
  const config = at('yaml');
  writeFileSync(config, JSON.stringify(settingsOf(plan, ground, port), null, 2), { mode: 0o600 });
  const env = {
    ...ground.env,
    DEMO_NAME: name,
    DEMO_LOG: at('diary'),
    DEMO_STAGE: at('stage'),
    PORT: String(port),
  };
  const children: Child[] = [];
  const begin = (args: string[], more: NodeJS.ProcessEnv, log: string): Child => {
    const child = startChild(args, { ...env, ...more }, at(log));
    children.push(child);
    return child;
  };
  const end = async (graceMs: number): Promise<void> => {
    await Promise.all(children.map((child) => child.end(graceMs)));
  };
  try {
    const app = appArguments(service);
    const sidecar =
      plan.by === 'run'
        ? begin(outriggerArguments('run', '--config', config, '--', process.execPath, ...app), {}, 'log')
        : begin(guarded(outriggerArguments('sidecar', '--config', config)), {}, 'sidecar.log');
    const [line] = await sidecar.said(/^\{"event":"listening".*\}$/m, startMs);
    const ports = JSON.parse(line) as { app: string; peers: string | null; admin: string };
    if (plan.by === 'apart') begin(app, { OUTRIGGER_APP: ports.app }, 'app.log');
    const appPid = await readyPid(env.DEMO_LOG, children.at(-1)!);
    const mesh = await connect({ sidecar: `unix:${env.DEMO_STAGE}` });
    return {
      name,
      service,
      admin: `http://${ports.admin}`,
      peers: ports.peers ?? '',
      diary: env.DEMO_LOG,
      logs: children.map(({ log }) => log),
      sidecarPid: sidecar.pid,
      appPid,
      stage: mesh.client(stageDefinition(), 'stage'),
      ended: () =>
        children.flatMap((child) =>
          child.ended() === null ? [] : [`a process of ${name} ended: ${child.ended()}`],
        ),
      killApp: () => void process.kill(appPid, 'SIGKILL'),
      killSidecar: () => sidecar.kill(),
      freezeApp: () => void process.kill(appPid, 'SIGSTOP'),
      leave: async () => {
        await sidecar.end(leaveMs);
        mesh.close();
        await end(0);
      },
      end: async (graceMs) => {
        mesh.close();
        await end(graceMs);
      },
    };
  } catch (error) {
    await end(0);
    throw error;
  }
};

/** The settings file; YAML reads JSON. Everything on this machine, on free ports. */
const settingsOf = ({ name, service, serves, flags }: MemberPlan, ground: Ground, port: number): object => ({
  // The agent only connects: what an unwell app does to callers is for their sidecars to find out.
  service: serves ? { name: service, port, check: 'tcp' } : { name: service },
  listen: {
    app: '127.0.0.1:0',
    admin: '127.0.0.1:0',
    control: `unix:${join(ground.folder, `${name}.control`)}`,
    ...(serves ? { peers: '127.0.0.1:0' } : {}),
  },
  discovery: { consul: { url: ground.agentUrl } },
  // Apps that serve make no calls that could be under way when they are replaced.
  ...(serves && service === 'inventory' ? { drain: { app: '200ms' } } : {}),
  // A line per call, so that one can be followed.
  log: { level: 'debug' },
  flags,
});

/** The pid of an app, once it has said in its diary that it is ready. */
const readyPid = async (diary: string, child: Child): Promise<number> => {
  writeFileSync(diary, '', { flag: 'a', mode: 0o600 });
  const until = performance.now() + startMs;
  for (;;) {
    const ready = readDiary(diary).lines.find(({ event }) => event === 'ready');
    if (ready !== undefined) return ready.pid;
    if (child.ended() !== null || performance.now() > until)
      throw new Error(`${diary}: the app is not ready: ${child.ended() ?? 'too slow'}\n${child.tail()}`);
    await pause(15);
  }
};

/** The certificate that a sidecar shows to its peers, as bytes. */
export const shownCertificate = (peers: string): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const colon = peers.lastIndexOf(':');
    const socket = connectTls({
      host: peers.slice(0, colon),
      port: Number(peers.slice(colon + 1)),
      ALPNProtocols: ['h2'],
      // We only look; nothing is said, and no call is made.
      rejectUnauthorized: false,
    });
    socket.setTimeout(2000, () => socket.destroy(new Error(`${peers} shows no certificate`)));
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      resolve(socket.getPeerCertificate().raw);
      socket.destroy();
    });
  });

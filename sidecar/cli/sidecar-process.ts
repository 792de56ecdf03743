import { type ChildProcess, spawn } from 'node:child_process';
import { messageOf } from '../core/thrown.ts';
import type { Origin } from '../settings/load.ts';
import type { Settings } from '../settings/settings.ts';
import type { Said, Told } from './beside.ts';
import { within } from './ending.ts';
import { ownProgram } from './own-program.ts';
import type { StartedSidecar } from './started.ts';

/** One process of a sidecar, from its start to its end. */
export interface SidecarProcess {
  readonly pid: number | undefined;
  /** Where it listens; rejects with its reason when it cannot, or ends before. */
  readonly listening: Promise<StartedSidecar['ports']>;
  /** Resolves once calls can be carried; rejects when they never will. Stays open when the process ends before. */
  readonly ready: Promise<void>;
  /** How it ended, in words. */
  readonly ended: Promise<string>;
  /** Why it is not ready, each a sentence. */
  notReady(): Promise<readonly string[]>;
  /** Resolves when it is drained, or has ended. */
  drain(): Promise<void>;
  /** Asks it to end, and kills it when it does not; resolves when it is gone. */
  close(): Promise<void>;
}

/** Longest time for a farewell, milliseconds: each word with Consul has 2 s, and there are a few. */
const closeMs = 15_000;
/** Longest time for a question to a process that may be busy, milliseconds. */
const answerMs = 2000;

/** Starts this program once more as the sidecar of `run`, with a channel to it. */
export const spawnBeside = (): ChildProcess => {
  const { command, args } = ownProgram('beside');
  return spawn(command, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
};

/** Starts a sidecar in what `spawn` starts. What cannot even be started has ended: it is no reason to throw. */
export const tryProcess = (spawn: () => ChildProcess, settings: Settings, origin: Origin): SidecarProcess => {
  let child: ChildProcess;
  try {
    child = spawn();
  } catch (thrown) {
    // No memory for a process, which may be the very reason why the one before had to end.
    const how = notStarted(thrown);
    const listening = Promise.reject(new Error(how));
    listening.catch(() => {});
    return {
      pid: undefined,
      listening,
      ready: new Promise(() => {}),
      ended: Promise.resolve(how),
      notReady: async () => [how],
      drain: async () => {},
      close: async () => {},
    };
  }
  return startProcess(child, settings, origin);
};

const notStarted = (thrown: unknown): string => `it could not be started: ${messageOf(thrown)}`;

/** Starts a sidecar in `child`, a process that was just started and waits for its settings. */
const startProcess = (child: ChildProcess, settings: Settings, origin: Origin): SidecarProcess => {
  const tell = (told: Told): void => {
    // To one that has just ended nothing can be said; its end is heard of anyway.
    if (child.connected) child.send(told, () => {});
  };
  const hear = <E extends Said['event']>(event: E): Promise<Extract<Said, { event: E }>> =>
    new Promise((resolve) => {
      const look = (said: Said): void => {
        if (said.event !== event) return;
        child.off('message', look);
        resolve(said as Extract<Said, { event: E }>);
      };
      child.on('message', look);
    });
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
    child.once('error', (error) => {
      if (child.pid === undefined) resolve(notStarted(error));
    });
  });
  const fail = (why: string): never => {
    throw new Error(why);
  };
  const failed = hear('failed').then(({ why }) => fail(why));
  const listening = Promise.race([
    hear('listening').then(({ ports }) => ports),
    failed,
    ended.then((how) => fail(`the sidecar's process ended before it listened: ${how}`)),
  ]);
  const ready = Promise.race([
    hear('ready').then(() => {}),
    hear('never ready').then(({ why }) => fail(why)),
  ]);
  for (const each of [failed, listening, ready]) each.catch(() => {});
  // A `run` that ends at once, by a second signal or an error, leaves no sidecar that nobody would end.
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  void ended.then(() => process.off('exit', kill));
  tell({ please: 'start', settings, origin });
  return {
    pid: child.pid,
    listening,
    ready,
    ended,
    notReady: async () => {
      const said = hear('not ready').then(({ reasons }) => reasons);
      tell({ please: 'say why' });
      const known = await within(Promise.race([said, ended]), answerMs);
      if (!known || child.exitCode !== null || child.signalCode !== null)
        return ['its process does not answer'];
      return said;
    },
    drain: async () => {
      const drained = hear('drained');
      tell({ please: 'drain' });
      await Promise.race([drained, ended]);
    },
    close: async () => {
      tell({ please: 'close' });
      if (!(await within(ended, closeMs))) kill();
      await ended;
    },
  };
};

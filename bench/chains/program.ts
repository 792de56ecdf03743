import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** How long a proxy may take until its port answers, in milliseconds. */
const startMs = 15_000;
/** How long it may take to end after SIGTERM. */
const endMs = 5_000;

/** A process that listens. */
export interface Program {
  readonly pid: number;
  stop(): Promise<void>;
}

/** Where a command stands on PATH, or null. */
export const onPath = (command: string): string | null => {
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    const file = join(directory, command);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // The next one, then.
    }
  }
  return null;
};

/** Starts `command`, output to `log`, and resolves when `port` takes connections. */
export const startProgram = async (
  command: string,
  args: readonly string[],
  log: string,
  port: number,
  variables: Readonly<Record<string, string>> = {},
): Promise<Program> => {
  const output = openSync(log, 'a');
  const child = spawn(command, args, {
    env: { ...process.env, ...variables },
    stdio: ['ignore', output, output],
  });
  await Promise.race([once(child, 'spawn'), once(child, 'error')]);
  const { pid } = child;
  if (pid === undefined) throw new Error(`${command} cannot be started`);
  for (let waited = 0; !(await answers(port)); waited += 50) {
    if (child.exitCode === null && child.signalCode === null && waited < startMs) {
      await pause(50);
      continue;
    }
    await end(child);
    const last = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-8).join('\n');
    throw new Error(`${command} ${args.join(' ')} does not answer on port ${port}:\n${last}`);
  }
  return { pid, stop: () => end(child) };
};

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), endMs);
  await gone;
  clearTimeout(timer);
};

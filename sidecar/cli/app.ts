import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { codeOf } from './ending.ts';
import { Exit } from './exit.ts';

/** The app beside a sidecar, as a child of this process. */
export interface App {
  /** Resolves with the exit code; 126 and 127 where it could not be started. */
  readonly ended: Promise<number>;
  /** Why it could not be started, with the fix; null when it was. Settles with `ended`. */
  readonly failure: () => string | null;
  signal(signal: NodeJS.Signals): void;
}

/** Starts the app with the streams of this process, so that it can be used as if there were no sidecar. */
export const startApp = (command: readonly string[], env: NodeJS.ProcessEnv): App => {
  let failure: string | null = null;
  let child: ChildProcess | null = null;
  const ended = new Promise<number>((resolve) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      const missing = error.code === 'ENOENT' || command[0] === '';
      failure = missing
        ? `command not found: ${command[0] || "''"}; write its path after --`
        : `${command[0]} could not be started: ${error.message}`;
      resolve(missing ? Exit.notFound : Exit.notExecutable);
    };
    try {
      child = spawn(command[0]!, command.slice(1), { stdio: 'inherit', env });
    } catch (thrown) {
      // Some failures are not told as an event: an empty command, no memory.
      return fail(thrown as NodeJS.ErrnoException);
    }
    const { pid } = child;
    child.once('exit', (code, signal) => resolve(signal === null ? (code ?? Exit.failure) : codeOf(signal)));
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (pid === undefined) fail(error);
    });
  });
  const signal = (name: NodeJS.Signals): void => void child?.kill(name);
  // Without its sidecar the app would go on and answer nobody.
  const orphan = (): void => signal('SIGTERM');
  process.once('exit', orphan);
  ended.then(() => process.off('exit', orphan));
  return { ended, failure: () => failure, signal };
};

/** Tries before the system is asked for any port. */
const tries = 50;

/**
 * A port of 127.0.0.1 that is free now, for an app that is told its port. It lies below those that systems hand out by
 * themselves (32768 and up on Linux, 49152 on others): until the app listens, no connection and no other listener on
 * port 0 gets it. `pick` is chance.
 */
export const freePort = async (pick: () => number = () => randomInt(20_000, 30_000)): Promise<number> => {
  for (let left = tries; left > 0; left--) {
    const port = await bindOnce(pick()).catch(() => null);
    if (port !== null) return port;
  }
  return bindOnce(0);
};

const bindOnce = (wanted: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(wanted, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Fault, Report } from './app.ts';

/** An instance of `echo`, a process. */
export interface App {
  /** `127.0.0.1:port`. */
  readonly address: string;
  /** Tells it what is wrong with it from now on; what it has seen since it was told before. */
  tell(fault: Fault): Promise<Report>;
  close(): Promise<void>;
}

const ending = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
const program = fileURLToPath(new URL(`./app${ending}`, import.meta.url));

/** Starts so many. */
export const startApps = (count: number): Promise<App[]> =>
  Promise.all(Array.from({ length: count }, startApp));

const startApp = async (): Promise<App> => {
  const child = fork(program, { execArgv: process.execArgv });
  const { port } = await next<{ port: number }>(child);
  return {
    address: `127.0.0.1:${port}`,
    tell: (fault) => {
      child.send(fault);
      return next<Report>(child);
    },
    close: async () => {
      const gone = once(child, 'exit');
      child.disconnect();
      await gone;
    },
  };
};

/** The next message of a process; fails when it ends instead. */
const next = <T>(child: ChildProcess): Promise<T> =>
  new Promise((resolve, reject) => {
    const gone = (code: number | null, signal: string | null): void =>
      reject(new Error(`an app ended with ${signal ?? code}`));
    child.once('exit', gone);
    child.once('message', (word) => {
      child.off('exit', gone);
      resolve(word as T);
    });
  });

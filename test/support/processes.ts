import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A process that a test has started, and that it ends. */
export interface Started {
  readonly pid: number;
  /** The first line of its standard output. */
  readonly first: string;
  /** Ends it by closing its standard input, and by SIGKILL to its own id when that is not enough. */
  close(): Promise<void>;
}

/** Starts a process that says on its first line where it listens; rejects with what it said when it ends before. */
export const startProcess = async (command: string, args: readonly string[]): Promise<Started> => {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const noise = gather(child);
  const first = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout! }).once('line', resolve);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${command} ended with ${code}: ${noise.join('')}`)));
  });
  return {
    pid: child.pid!,
    first,
    close: async () => {
      child.stdin?.end();
      const kill = setTimeout(() => child.kill('SIGKILL'), 2000);
      await gone(child);
      clearTimeout(kill);
    },
  };
};

/** Runs a process to its end and answers the lines of its standard output; rejects with its errors when it fails. */
export const runProcess = async (
  command: string,
  args: readonly string[],
  timeoutMs: number,
): Promise<string[]> => {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const noise = gather(child);
  const lines: string[] = [];
  createInterface({ input: child.stdout! }).on('line', (line) => lines.push(line));
  const kill = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  clearTimeout(kill);
  if (code !== 0)
    throw new Error(
      `${[command, ...args].join(' ')} ended with ${code ?? 'SIGKILL'}:\n${noise.join('').slice(-4000)}`,
    );
  return lines;
};

/** Whether a command runs and succeeds. */
export const succeeds = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore', timeout: 300_000 }).status === 0;

const gather = (child: ChildProcess): string[] => {
  const noise: string[] = [];
  child.stderr?.on('data', (chunk: Buffer) => noise.push(String(chunk)));
  return noise;
};

const gone = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once('exit', () => resolve()));

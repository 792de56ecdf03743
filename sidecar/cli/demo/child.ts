import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

/** A process of the demo. What it says goes to a file, where it can be read after a kill too. */
export interface Child {
  readonly pid: number;
  /** Where its stderr and stdout go. */
  readonly log: string;
  /** Null while it runs; what ended it, in words. */
  ended(): string | null;
  /** The end of its log. */
  tail(): string;
  /** The first match in the log; waits for it up to `patienceMs`, and fails with the log's tail. */
  said(pattern: RegExp, patienceMs: number): Promise<RegExpMatchArray>;
  /** Kills this process alone. */
  kill(): void;
  /** Asks it and all that it started to end, and kills what is left after `graceMs`. */
  end(graceMs: number): Promise<void>;
}

const lookEveryMs = 15;

/** Starts `node` with `args`, in a process group of its own, so that Ctrl-C reaches the demo alone. */
export const startChild = (args: readonly string[], env: NodeJS.ProcessEnv, log: string): Child => {
  const file = openSync(log, 'a', 0o600);
  // A pipe to stdin that is never written to: its end tells the apps that the demo is gone.
  const child = spawn(process.execPath, args, { stdio: ['pipe', file, file], env, detached: true });
  closeSync(file);
  let outcome: string | null = null;
  const exited = new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => {
      outcome = signal === null ? `exit code ${code}` : signal;
      resolve();
    });
    child.once('error', (error) => {
      outcome ??= error.message;
      resolve();
    });
  });
  child.stdin?.on('error', () => {});
  const pid = child.pid ?? 0;
  const text = (): string => readFileSync(log, 'utf8');
  const said = async (pattern: RegExp, patienceMs: number): Promise<RegExpMatchArray> => {
    const until = performance.now() + patienceMs;
    for (;;) {
      const found = pattern.exec(text());
      if (found !== null) return found;
      if (outcome !== null || performance.now() > until)
        throw new Error(
          `${args.slice(-6).join(' ')}: ${outcome ?? `did not say ${pattern} within ${patienceMs} ms`}; its log ends with\n${text().slice(-2000)}`,
        );
      await pause(lookEveryMs);
    }
  };
  return {
    pid,
    log,
    ended: () => outcome,
    tail: () => text().slice(-2000),
    said,
    kill: () => void child.kill('SIGKILL'),
    end: async (graceMs) => {
      signalGroup(child, 'SIGTERM');
      const cut = setTimeout(() => signalGroup(child, 'SIGKILL'), graceMs);
      await exited;
      clearTimeout(cut);
      // An app whose supervisor was killed is in the group still.
      signalGroup(child, 'SIGKILL');
      child.stdin?.destroy();
    },
  };
};

/** The group is ours: it has the pid of the child that we started as its leader. */
const signalGroup = ({ pid }: ChildProcess, signal: NodeJS.Signals): void => {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody is left in it.
  }
};

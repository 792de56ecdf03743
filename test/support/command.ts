import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { root } from './sources.ts';

/** The outrigger command in a process of its own, run from source. */
export interface Command {
  readonly process: ChildProcess;
  /** The first match in what was written to stdout and stderr so far, or will be; rejects when it ends without. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves with exit code (or signal) and all that was written. */
  readonly ended: Promise<{ code: number | null; signal: string | null; output: string; errors: string }>;
}

/** Starts `outrigger` with `words`. */
export const outrigger = (words: readonly string[], env: NodeJS.ProcessEnv = {}): Command =>
  startCommand(['--import', 'tsx', join(root, 'sidecar/cli/main.ts'), ...words], { ...process.env, ...env });

/** Starts Node, or what `program` names, with `args`. */
export const startCommand = (
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
  program: string = process.execPath,
): Command => {
  const child = spawn(program, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  let over = false;
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const look of [...waiting]) look();
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    wake();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
    wake();
  });
  const ended = new Promise<{ code: number | null; signal: string | null; output: string; errors: string }>(
    (resolve) => {
      child.once('close', (code, signal) => {
        over = true;
        wake();
        resolve({ code, signal, output, errors });
      });
    },
  );
  const says = (pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const match = pattern.exec(`${output}\n${errors}`);
        if (match === null && !over) return;
        waiting.delete(look);
        if (match === null) reject(new Error(`it ended without saying ${pattern}:\n${output}\n${errors}`));
        else resolve(match);
      };
      waiting.add(look);
      look();
    });
  return { process: child, says, ended };
};

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { AttackReport } from './attacks.ts';
import { percentile } from './row.ts';
import type { SubjectReport, SubjectSetup } from './subject.ts';

/** What a trial found out, of both sides and of those beside them. */
export interface Trial {
  readonly attack: AttackReport;
  readonly subject: SubjectReport;
  /** p99 of a good neighbour's calls in milliseconds, before and while; 0 without a neighbour. */
  readonly before: number;
  readonly during: number;
}

/** This folder's programs are TypeScript where they are run from source, and JavaScript where they were compiled. */
const ending = import.meta.url.slice(import.meta.url.lastIndexOf('.'));

const start = (program: string, ...args: string[]): ChildProcess =>
  fork(fileURLToPath(new URL(`./${program}${ending}`, import.meta.url)), args, {
    execArgv: [...process.execArgv, '--expose-gc'],
  });

/** The next message of a process; fails when it ends instead. */
const next = <T>(child: ChildProcess): Promise<T> =>
  new Promise((resolve, reject) => {
    const gone = (code: number | null, signal: string | null) =>
      reject(new Error(`a process of the trial ended with ${signal ?? code}`));
    child.once('exit', gone);
    child.once('message', (word) => {
      child.off('exit', gone);
      resolve(word as T);
    });
  });

const neighbourFor = async (port: number, ms: number): Promise<number> => {
  const child = start('attacker', 'neighbour', String(port));
  const heard = next<{ latencies: number[] }>(child);
  await new Promise<void>((resolve) => void setTimeout(resolve, ms));
  child.send('stop');
  return percentile((await heard).latencies.slice(100), 0.99);
};

/** Who calls beside an attack: for how long, before it and while it lasts, and how long after its begin. */
export interface Beside {
  readonly ms: number;
  readonly afterMs: number;
}

const rest = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

/** Runs one attack against one server. */
export const tryOut = async (attack: string, setup: SubjectSetup, beside?: Beside): Promise<Trial> => {
  const subject = start('subject', JSON.stringify(setup));
  try {
    const { port } = await next<{ port: number }>(subject);
    const attacker = start('attacker', attack, String(port));
    await next<string>(attacker);
    const before = beside === undefined ? 0 : await neighbourFor(port, beside.ms);
    subject.send('reset');
    await next<string>(subject);
    // With 0 the neighbour calls already when the attack begins.
    const calling =
      beside === undefined
        ? Promise.resolve(0)
        : rest(beside.afterMs).then(() => neighbourFor(port, beside.ms));
    if (beside !== undefined && beside.afterMs <= 0) await rest(beside.ms / 2);
    attacker.send('go');
    const report = await next<AttackReport>(attacker);
    const during = await calling;
    subject.send('report');
    return { attack: report, subject: await next<SubjectReport>(subject), before, during };
  } finally {
    if (subject.connected) subject.disconnect();
  }
};

import { openSync, readFileSync, writeSync } from 'node:fs';

/** One line of an app's log. */
export interface Line {
  /** Milliseconds since 1970, with fractions: the end of what it tells of. */
  readonly at: number;
  /** Name of the process, such as `inventory-2`. */
  readonly app: string;
  readonly pid: number;
  /** `began` and `served` about a call that came, `called` about one that went out; `ready` once. */
  readonly event: 'ready' | 'began' | 'served' | 'called';
  /** Correlation id. */
  readonly id: string;
  /** Service at the other end. */
  readonly peer: string;
  /** Name of the rpc. */
  readonly method: string;
  /** Name of the status code; empty for `began`. */
  readonly code: string;
  readonly tookMs: number;
  /** False when the mesh says that the call never reached an app. */
  readonly reached: boolean;
  readonly message: string;
}

/** Wall-clock milliseconds with fractions, comparable between the processes of one machine. */
export const wallMs = (): number => performance.timeOrigin + performance.now();

/** Opens a log to write lines to; each is in the file when the call returns, so that a killed app has told all. */
export const openDiary = (path: string, app: string): ((line: Partial<Line>) => void) => {
  const file = openSync(path, 'a', 0o600);
  const empty = { id: '', peer: '', method: '', code: '', tookMs: 0, reached: true, message: '' };
  return (line) => {
    writeSync(file, `${JSON.stringify({ at: wallMs(), app, pid: process.pid, ...empty, ...line })}\n`);
  };
};

/** The lines of a log from byte `from` on, and where they end. A last line that a kill cut short is left out. */
export const readDiary = (
  path: string,
  from = 0,
): { readonly lines: readonly Line[]; readonly end: number } => {
  const bytes = readFileSync(path);
  const end = bytes.lastIndexOf(10) + 1;
  const lines = bytes
    .toString('utf8', Math.min(from, end), end)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
  return { lines, end };
};

import type { LogLevel } from '../core/log.ts';
import { askControl } from './ask-control.ts';
import { Exit } from './exit.ts';

/** Options of `outrigger log-level`. */
export interface LogLevelOptions {
  readonly level: LogLevel;
  /** The control socket of the sidecar: a path, or `unix:PATH`. */
  readonly control: string;
}

const prefix = 'LOG_LEVEL_';
const answerMs = 5000;

/** `outrigger log-level`: sets the least important lines that a running sidecar writes, and says what it was before. */
export const logLevel = async (
  { level, control }: LogLevelOptions,
  say: (line: string) => void,
): Promise<number> => {
  const request = { level: prefix + level.toUpperCase() };
  const answer = await askControl({ control, method: 'SetLogLevel', request, timeoutMs: answerMs });
  const { before } = answer as { before: string };
  say(`${before.slice(prefix.length).toLowerCase()} -> ${level}`);
  return Exit.ok;
};

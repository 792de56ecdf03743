import { type DestinationStream, pino, stdTimeFunctions } from 'pino';
import type { Log, LogLevel } from '../core/log.ts';

/** A log with a destination that must be emptied before the process ends. */
export interface OpenLog extends Log {
  level: LogLevel;
  /** Writes out, before it returns, what still waits for the destination. */
  flush(): void;
}

/** What a log is opened with. */
export interface LogOptions {
  readonly level: LogLevel;
  /** Fields of every line, such as the service. */
  readonly base?: Readonly<Record<string, string>>;
  /** Where lines go, instead of stderr: for tests. */
  readonly destination?: DestinationStream;
}

/** Control characters beyond ASCII and those that turn the direction of text: JSON lets them through, a terminal obeys. */
const treacherous = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Characters that are written at once: twice as many bytes at most, and what has no more than 4,096 of them is not cut
 * by another process that writes to the same pipe. `outrigger run`, its sidecar and the app share one.
 */
const longestWrite = 2048;

/** Opens the log: one JSON line per event on stderr, written without waiting and flushed when the process ends. */
export const openLog = ({ level, base = {}, destination }: LogOptions): OpenLog => {
  const stderr =
    destination === undefined ? pino.destination({ dest: 2, sync: false, maxWrite: longestWrite }) : null;
  const target = destination ?? stderr!;
  const safe: DestinationStream = {
    write: (line) =>
      target.write(line.replace(treacherous, (it) => `\\u${it.charCodeAt(0).toString(16).padStart(4, '0')}`)),
  };
  const logger = pino(
    {
      level,
      base,
      messageKey: 'event',
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: (error: unknown) => (error instanceof Error ? error.message : error) },
    },
    safe,
  );
  const flush = (): void => {
    try {
      stderr?.flushSync();
    } catch {
      // A reader that left, or a destination that never opened: there is nobody to tell.
    }
  };
  if (stderr !== null) {
    // A closed pipe must not end the sidecar: its calls matter more than its lines.
    stderr.on('error', () => {});
    process.on('exit', flush);
  }
  return {
    get verbose() {
      return logger.level === 'debug';
    },
    get level() {
      return logger.level as LogLevel;
    },
    set level(to) {
      logger.level = to;
    },
    debug: (fields, event) => logger.debug(fields, event),
    info: (fields, event) => logger.info(fields, event),
    warn: (fields, event) => logger.warn(fields, event),
    error: (fields, event) => logger.error(fields, event),
    flush,
  };
};

/** A log line's fields; values are escaped by the writer. */
export type LogFields = Readonly<Record<string, unknown>>;

/** From the most lines to the fewest. */
export const logLevels = ['debug', 'info', 'warn', 'error'] as const;

/** The least important lines that are written. */
export type LogLevel = (typeof logLevels)[number];

/** Log writes one JSON line per event. */
export interface Log {
  /** True when debug lines are written: whoever would write one per call looks here first, and makes no fields for nobody. */
  readonly verbose?: boolean;
  /** Can be set while the log is open; absent where it cannot. */
  level?: LogLevel;
  debug(fields: LogFields, event: string): void;
  info(fields: LogFields, event: string): void;
  warn(fields: LogFields, event: string): void;
  error(fields: LogFields, event: string): void;
}

/** A log that says nothing: for tests and for parts that are embedded without one. */
export const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

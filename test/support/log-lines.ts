import type { Log, LogFields } from '../../sidecar/core/log.ts';

/** What a log has written, read as a machine would read it. */
export interface ReadLines {
  readonly parsed: readonly Readonly<Record<string, unknown>>[];
  /** Lines that are no JSON object. */
  readonly broken: readonly string[];
  /** Whether there is a character that a terminal obeys, beside the end of a line. */
  readonly treacherous: boolean;
}

/** Reads all lines of `text`. */
export const readLines = (text: string): ReadLines => {
  const parsed: Record<string, unknown>[] = [];
  const broken: string[] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    try {
      parsed.push(JSON.parse(line) as Record<string, unknown>);
    } catch {
      broken.push(line);
    }
  }
  return {
    parsed,
    broken,
    treacherous: /[\0-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/.test(text),
  };
};

/** A log that puts its lines together by hand, as many do; for control runs. */
export const naiveLog = (write: (line: string) => void): Log => {
  const line =
    (level: string) =>
    (fields: LogFields, event: string): void => {
      const pairs = Object.entries(fields).map(([key, value]) => `"${key}":"${String(value)}"`);
      write(`{"level":"${level}",${pairs.map((pair) => `${pair},`).join('')}"event":"${event}"}\n`);
    };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
};

/** One JSON line on stderr, for apps that hear of it in no other way. */
export const toStderr = (
  event: string,
  fields: Readonly<Record<string, unknown>>,
  level: 'warn' | 'error' = 'error',
): void => {
  process.stderr.write(`${JSON.stringify({ level, event, ...fields })}\n`);
};

/** What was thrown, with its stack where it has one. */
export const wordsOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);

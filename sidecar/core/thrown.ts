/** What anything thrown says. */
export const messageOf = (thrown: unknown): string =>
  thrown instanceof Error ? thrown.message : String(thrown);

/** The same in one line, of 1,000 characters at most. */
export const lineOf = (thrown: unknown): string => messageOf(thrown).replaceAll('\n', '; ').slice(0, 1000);

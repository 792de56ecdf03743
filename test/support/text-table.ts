/** A column of a table for people: its head, and how wide it is at least. */
export type Column = readonly [head: string, width: number];

/** Prints the heads of a table, and answers what prints a line of it. */
export const textTable = (columns: readonly Column[]): ((cells: readonly string[]) => void) => {
  const line = (cells: readonly string[]): void =>
    console.log(
      cells
        .map((cell, at) => cell.padEnd(columns[at]![1]))
        .join('  ')
        .trimEnd(),
    );
  line(columns.map(([head]) => head));
  line(columns.map(([, width]) => '-'.repeat(width)));
  return line;
};

/**
 * The names that `name` may have meant, nearest first, at most `limit`: those within a third of its length in
 * edits, and at most 3.
 */
export const nearNames = (name: string, known: Iterable<string>, limit = 3): string[] => {
  const farthest = Math.min(3, Math.max(1, Math.floor(name.length / 3)));
  const near: { readonly name: string; readonly edits: number }[] = [];
  for (const candidate of known) {
    if (candidate === name || Math.abs(candidate.length - name.length) > farthest) continue;
    const edits = editsBetween(name.toLowerCase(), candidate.toLowerCase());
    if (edits <= farthest) near.push({ name: candidate, edits });
  }
  near.sort((a, b) => a.edits - b.edits || (a.name < b.name ? -1 : 1));
  return near.slice(0, limit).map((each) => each.name);
};

/**
 * How many insertions, deletions, replacements and swaps of neighbours turn `a` into `b`.
 *
 * Ref: the optimal string alignment distance (Damerau 1964, Levenshtein 1966).
 */
export const editsBetween = (a: string, b: string): number => {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let edits = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1));
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        edits = Math.min(edits, beforeLast[column - 2]! + 1);
      current.push(edits);
    }
    beforeLast = last;
    last = current;
  }
  return last[b.length]!;
};

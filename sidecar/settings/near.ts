/** The name in `known` that a typing error most likely meant, or null when none is near. */
export const nearest = (name: string, known: readonly string[]): string | null => {
  let best: string | null = null;
  let least = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const steps = distance(name.toLowerCase(), candidate.toLowerCase());
    if (steps < least) {
      least = steps;
      best = candidate;
    }
  }
  return best;
};

/** Levenshtein distance, with a swap of neighbours counted once. */
const distance = (from: string, to: string): number => {
  let before: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const next = [row];
    for (let column = 1; column <= to.length; column++) {
      const change = from[row - 1] === to[column - 1] ? 0 : 1;
      let steps = Math.min(last[column]! + 1, next[column - 1]! + 1, last[column - 1]! + change);
      if (row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1])
        steps = Math.min(steps, before[column - 2]! + 1);
      next.push(steps);
    }
    before = last;
    last = next;
  }
  return last[to.length]!;
};

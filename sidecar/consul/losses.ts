/** What of a list is missing in a newer one. */
export type Losses = 'none' | 'some' | 'all';

/** Compares two lists by their entries' names. A list that was empty can lose nothing. */
export const lossesOf = (held: Iterable<string>, now: Iterable<string>): Losses => {
  const left = new Set(now);
  let lost = 0;
  for (const name of held) if (!left.has(name)) lost++;
  if (lost === 0) return 'none';
  return left.size === 0 ? 'all' : 'some';
};

/** Uniform in [0, 1). */
export type Chance = () => number;

/**
 * Chance that is the same for the same seed and name, for ever. Everybody has a name and so a stream of numbers of
 * their own: a policy that asks more often does not move the load and the latencies that it is compared under.
 *
 * Ref: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014.
 */
export const chance = (seed: number, name: string): Chance => {
  let state = seed | 0;
  for (let at = 0; at < name.length; at++) state = mixed(Math.imul(state, 31) + name.charCodeAt(at));
  return () => {
    state = (state + 0x9e3779b9) | 0;
    return (mixed(state) >>> 0) / 2 ** 32;
  };
};

const mixed = (word: number): number => {
  word = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
  word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
  return word ^ (word >>> 15);
};

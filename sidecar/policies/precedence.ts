import type { Intention } from '../core/snapshot.ts';

/**
 * The intention that decides whether `from` may call `to`, or null when none matches: exact destination before
 * wildcard, then exact source before wildcard; of equals the first.
 *
 * An empty `from` is nobody, so that only a wildcard source matches it. Ref: Consul, intention precedence.
 */
export const decisive = (intentions: readonly Intention[], from: string, to: string): Intention | null => {
  let best: Intention | null = null;
  let bestRank = -1;
  for (const intention of intentions) {
    const exactTo = intention.to === to;
    const exactFrom = from !== '' && intention.from === from;
    if (!(exactTo || intention.to === '*') || !(exactFrom || intention.from === '*')) continue;
    const rank = (exactTo ? 2 : 0) + (exactFrom ? 1 : 0);
    if (rank > bestRank) {
      best = intention;
      bestRank = rank;
    }
  }
  return best;
};

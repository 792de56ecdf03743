import type { Link } from '../core/link.ts';

/** Whatever holds a link: the pool's lines, or a test's. */
export interface Linked {
  readonly link: Link;
}

/** Attempts in flight on all links of an endpoint, draining ones included: the peer works on those too. */
export const inFlight = (lines: readonly Linked[]): number => {
  let sum = 0;
  for (const { link } of lines) sum += link.active;
  return sum;
};

/** The link with the fewest attempts in flight among those with room, or null when none has room. */
export const leastBusy = (lines: readonly Linked[]): Link | null => {
  let best: Link | null = null;
  for (const { link } of lines)
    if (link.room > 0 && (best === null || link.active < best.active)) best = link;
  return best;
};

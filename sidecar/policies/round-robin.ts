import type { EndpointView } from '../core/endpoint.ts';
import { type Choose, usable } from './choose.ts';

/**
 * Chooses the endpoints of a service one after the other, skipping those that cannot be used, and the young ones as
 * often as they are young.
 *
 * Each service has its own turn, kept beside its list of endpoints and begun at random, so that many sidecars that
 * start together do not all begin at the first. Where endpoints of our zone come first they have a turn of their own;
 * for one of them that cannot be used the turn of all stands in.
 */
export const roundRobin = (random: () => number): Choose => {
  const turns = new WeakMap<readonly unknown[], number>();
  const turnOf = (list: readonly unknown[]): number => {
    const turn = turns.get(list) ?? Math.floor(random() * list.length);
    turns.set(list, (turn + 1) % list.length);
    return turn;
  };
  return (endpoints, met, now, near) => {
    if (near !== null) {
      const endpoint = endpoints[near[turnOf(near)]!]!;
      if (usable(endpoint, met) && !isSkipped(endpoint, now, random)) return endpoint;
    }
    const size = endpoints.length;
    const turn = turns.get(endpoints) ?? Math.floor(random() * size);
    let skipped: EndpointView | null = null;
    for (let step = 0; step < size; step++) {
      const at = (turn + step) % size;
      const endpoint = endpoints[at]!;
      if (!usable(endpoint, met)) continue;
      if (isSkipped(endpoint, now, random)) {
        skipped ??= endpoint;
        continue;
      }
      turns.set(endpoints, (at + 1) % size);
      return endpoint;
    }
    return skipped;
  };
};

const isSkipped = (endpoint: EndpointView, now: number, random: () => number): boolean =>
  now < endpoint.youngUntil && random() >= endpoint.share(now);

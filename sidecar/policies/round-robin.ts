import type { EndpointView } from '../core/endpoint.ts';
import { type Choose, usable } from './choose.ts';

/**
 * Chooses the endpoints of a service one after the other, skipping those that cannot be used.
 *
 * Each service has its own turn, kept beside its list of endpoints and begun at random, so that many sidecars that
 * start together do not all begin at the first.
 */
export const roundRobin = (random: () => number): Choose => {
  const turns = new WeakMap<readonly EndpointView[], number>();
  return (endpoints, met) => {
    const size = endpoints.length;
    const turn = turns.get(endpoints) ?? Math.floor(random() * size);
    for (let step = 0; step < size; step++) {
      const at = (turn + step) % size;
      const endpoint = endpoints[at]!;
      if (!usable(endpoint, met)) continue;
      turns.set(endpoints, (at + 1) % size);
      return endpoint;
    }
    return null;
  };
};

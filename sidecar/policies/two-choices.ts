import type { EndpointView } from '../core/endpoint.ts';
import { type Choose, usable } from './choose.ts';

/**
 * Chooses the less loaded of two endpoints met by chance: nearly as even as knowing all, and it cannot make the
 * herd that "the least loaded of all" makes when many sidecars see the same numbers.
 *
 * When chance met only endpoints that cannot be used, the least loaded of the others.
 *
 * Ref: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 1996; gRFC A48.
 */
export const twoChoices =
  (random: () => number): Choose =>
  (endpoints, met) => {
    const size = endpoints.length;
    if (size === 0) return null;
    if (size === 1) return usable(endpoints[0]!, met) ? endpoints[0]! : null;
    const first = Math.floor(random() * size);
    let second = Math.floor(random() * (size - 1));
    if (second >= first) second++;
    const one = endpoints[first]!;
    const other = endpoints[second]!;
    if (!usable(one, met)) return usable(other, met) ? other : leastLoaded(endpoints, met);
    if (!usable(other, met)) return one;
    return other.load < one.load ? other : one;
  };

const leastLoaded = (
  endpoints: readonly EndpointView[],
  met: readonly EndpointView[],
): EndpointView | null => {
  let best: EndpointView | null = null;
  for (const endpoint of endpoints)
    if (usable(endpoint, met) && (best === null || endpoint.load < best.load)) best = endpoint;
  return best;
};

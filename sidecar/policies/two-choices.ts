import type { EndpointView } from '../core/endpoint.ts';
import { type Choose, usable } from './choose.ts';
import { yieldsTo } from './slow-start.ts';

/** Whether a call is better off at `other` than at `one`. `zoned`: endpoints of our zone come first. */
export type Prefers = (other: EndpointView, one: EndpointView, now: number, zoned: boolean) => boolean;

/**
 * Endpoints of other zones weigh twice: they are called when those of ours have twice as many calls at them. Less
 * would cross zones at every ripple, more would let ours drown while others are idle.
 */
const otherZone = 2;

/** How loaded an endpoint would be by one more call. */
export const loadedBy = (endpoint: EndpointView, zoned: boolean): number =>
  (endpoint.load + 1) * (zoned && endpoint.zone !== 'own' ? otherZone : 1);

const lessLoaded: Prefers = (other, one, _now, zoned) => loadedBy(other, zoned) < loadedBy(one, zoned);

/**
 * Chooses the better of two endpoints met by chance: nearly as even as knowing all, and it cannot make the herd that
 * "the best of all" makes when many sidecars see the same numbers. Better is less loaded unless `prefers` says otherwise.
 *
 * Where endpoints of our zone come first, the first of the two is one of them. When that one cannot be used both may be
 * anywhere: so the calls that our zone has no room for spread over all, and its other endpoints get no more than before.
 *
 * When chance met only endpoints that cannot be used, the best of the others.
 *
 * Ref: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 1996; gRFC A48.
 */
export const twoChoices =
  (random: () => number, prefers: Prefers = lessLoaded): Choose =>
  (endpoints, met, now, near) => {
    const size = endpoints.length;
    if (size === 0) return null;
    if (size === 1) return usable(endpoints[0]!, met) ? endpoints[0]! : null;
    if (near !== null) {
      const first = near[Math.floor(random() * near.length)]!;
      const one = endpoints[first]!;
      if (usable(one, met)) {
        const other = another(endpoints, first, random);
        return usable(other, met) ? better(one, other, now, true, random, prefers) : one;
      }
    }
    const first = Math.floor(random() * size);
    const one = endpoints[first]!;
    const other = another(endpoints, first, random);
    if (!usable(one, met)) return usable(other, met) ? other : best(endpoints, met, now, prefers);
    if (!usable(other, met)) return one;
    return better(one, other, now, false, random, prefers);
  };

/** One of the others by chance. */
const another = (endpoints: readonly EndpointView[], first: number, random: () => number): EndpointView => {
  const second = Math.floor(random() * (endpoints.length - 1));
  return endpoints[second >= first ? second + 1 : second]!;
};

const better = (
  one: EndpointView,
  other: EndpointView,
  now: number,
  zoned: boolean,
  random: () => number,
  prefers: Prefers,
): EndpointView =>
  prefers(other, one, now, zoned)
    ? yieldsTo(other, one, now, random)
      ? one
      : other
    : yieldsTo(one, other, now, random)
      ? other
      : one;

const best = (
  endpoints: readonly EndpointView[],
  met: readonly EndpointView[],
  now: number,
  prefers: Prefers,
): EndpointView | null => {
  let found: EndpointView | null = null;
  for (const endpoint of endpoints)
    if (usable(endpoint, met) && (found === null || prefers(endpoint, found, now, false))) found = endpoint;
  return found;
};

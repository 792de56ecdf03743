import type { Leg } from '../core/routes.ts';

/**
 * The leg that calls with this correlation id take. Not dice but a hash of service and id: all calls of one tree take
 * the same leg, on every sidecar and after every restart, and another service's split falls otherwise.
 *
 * Legs stand in their order on a line as long as their weights: who moves a weight moves only the calls at its edge.
 */
export const legOf = (legs: readonly Leg[], service: string, id: string): Leg | undefined => {
  if (legs.length === 1) return legs[0];
  let whole = 0;
  for (const { weight } of legs) whole += weight;
  let left = portionOf(service, id) * whole;
  for (const leg of legs) {
    left -= leg.weight;
    if (left < 0) return leg;
  }
  return legs.at(-1);
};

/** Where the two fall, evenly in [0, 1). Ref: FNV-1a, with the last step of MurmurHash3 to spread it. */
export const portionOf = (service: string, id: string): number => {
  let sum = 0x811c9dc5;
  for (let at = 0; at < service.length; at++) sum = Math.imul(sum ^ service.charCodeAt(at), 0x01000193);
  sum = Math.imul(sum ^ 0x1f, 0x01000193);
  for (let at = 0; at < id.length; at++) sum = Math.imul(sum ^ id.charCodeAt(at), 0x01000193);
  sum = Math.imul(sum ^ (sum >>> 16), 0x85ebca6b);
  sum = Math.imul(sum ^ (sum >>> 13), 0xc2b2ae35);
  return ((sum ^ (sum >>> 16)) >>> 0) / 2 ** 32;
};

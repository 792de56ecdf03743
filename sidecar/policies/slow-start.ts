import type { EndpointView } from '../core/endpoint.ts';

/** The share that an endpoint gets in its first moment: enough to warm it up. As Envoy's least. */
const leastShare = 0.1;

/** How much of its share an endpoint of that age gets, while the policy lets it start slowly; milliseconds. */
export const shareAt = (ageMs: number, slowStartMs: number): number =>
  ageMs >= slowStartMs ? 1 : leastShare + (1 - leastShare) * Math.max(0, ageMs / slowStartMs);

/**
 * Whether an endpoint leaves a call to `other`, because it is younger. Costs chance only while it is young; two that
 * are as young as each other get what they would get if they were old.
 */
export const yieldsTo = (
  chosen: EndpointView,
  other: EndpointView,
  now: number,
  random: () => number,
): boolean => now < chosen.youngUntil && random() * other.share(now) >= chosen.share(now);

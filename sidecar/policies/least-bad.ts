import type { EndpointView } from '../core/endpoint.ts';

/**
 * Chooses where a call goes when no endpoint is available and fresh: a shut gate is no reason to fail a call that
 * might go well.
 *
 * In this order: available but met before · reachable and not met · reachable · not met · any; the less loaded
 * among equals. Null only for an empty list.
 */
export const leastBad = (
  endpoints: readonly EndpointView[],
  met: readonly EndpointView[],
): EndpointView | null => {
  let best: EndpointView | null = null;
  let bestRank = -1;
  for (const endpoint of endpoints) {
    const fresh = met.includes(endpoint) ? 0 : 1;
    const rank = endpoint.available ? 8 + fresh : (endpoint.reachable ? 4 : 0) + 2 * fresh;
    if (best === null || rank > bestRank || (rank === bestRank && endpoint.load < best.load)) {
      best = endpoint;
      bestRank = rank;
    }
  }
  return best;
};

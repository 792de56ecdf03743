import type { EndpointView } from '../core/endpoint.ts';

/**
 * Picks an endpoint that may be used and was not met before, or null when there is none. `now`: monotonic
 * milliseconds. `near`: the positions of those in our zone, where they come first; null: all are alike.
 */
export type Choose = (
  endpoints: readonly EndpointView[],
  met: readonly EndpointView[],
  now: number,
  near: readonly number[] | null,
) => EndpointView | null;

/** Whether an endpoint takes calls and no earlier attempt of this call met it. */
export const usable = (endpoint: EndpointView, met: readonly EndpointView[]): boolean =>
  endpoint.available && (met.length === 0 || !met.includes(endpoint));

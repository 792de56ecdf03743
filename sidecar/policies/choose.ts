import type { EndpointView } from '../core/endpoint.ts';

/** Picks an endpoint that may be used and was not met before, or null when there is none. */
export type Choose = (
  endpoints: readonly EndpointView[],
  met: readonly EndpointView[],
) => EndpointView | null;

/** Whether an endpoint takes calls and no earlier attempt of this call met it. */
export const usable = (endpoint: EndpointView, met: readonly EndpointView[]): boolean =>
  endpoint.available && (met.length === 0 || !met.includes(endpoint));

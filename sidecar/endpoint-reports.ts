import type { EndpointReport } from './control/view.ts';
import type { Pool } from './endpoints/pool.ts';

/** The endpoints of a pool as people see them; `now`: monotonic milliseconds. */
export const endpointReports = (pool: Pool, now: number): readonly EndpointReport[] => {
  const panics = pool.panics();
  return pool.list().map((endpoint) => ({
    service: endpoint.service,
    address: endpoint.address.id,
    ...endpoint.judgement,
    available: endpoint.available,
    load: endpoint.load,
    connections: endpoint.links.length,
    zone: endpoint.zone,
    costMs: Math.round(endpoint.costMs(now) * 100) / 100,
    panic: panics.has(endpoint.service),
  }));
};

import type { EndpointReport, ServiceReport } from './control/view.ts';
import type { Pool } from './endpoints/pool.ts';

/** Every endpoint that calls may go to, as people see it. */
export const endpointReports = (pool: Pool): EndpointReport[] =>
  pool.list().map((endpoint) => ({
    service: endpoint.service,
    address: endpoint.address.id,
    ...endpoint.judgement,
    available: endpoint.available,
    load: endpoint.load,
    connections: endpoint.links.length,
  }));

/** Every service that calls may go to, as people see it. */
export const serviceReports = (pool: Pool): ServiceReport[] =>
  pool.services().map(({ service, judgement }) => ({ service, ...judgement }));

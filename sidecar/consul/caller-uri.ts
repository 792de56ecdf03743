/**
 * How the agent wants to be told of a caller whom it is to judge. It looks at the service's name alone: of the trust
 * domain it asks no more than that there is one, so that nobody has to learn it first.
 */
export const callerUri = (service: string): string =>
  `spiffe://00000000-0000-0000-0000-000000000000.consul/ns/default/dc/dc1/svc/${service}`;

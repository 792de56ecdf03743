import type { Address } from '../core/endpoint.ts';
import type { ServiceView, Slice } from '../core/snapshot.ts';

/** Services that one slice may hold, and instances that one service may have. Above it, somebody floods us. */
const mostServices = 10_000;
const mostEndpoints = 20_000;
/** Things that one slice may say of how calls are treated: each is merged at every change. */
const mostPolicies = 20_000;

/** What is wrong with a slice, in words, or null. A bad slice is a bug or an attack: none of it is used. */
export const checkSlice = (slice: Slice): string | null => {
  const { services, asked, access, flags } = slice;
  if (services !== undefined) {
    if (services.size > mostServices) return `${services.size} services, above ${mostServices}`;
    for (const [name, view] of services) {
      const why = checkView(name, view);
      if (why !== null) return `service '${name}': ${why}`;
    }
  }
  if (asked !== undefined && asked.size > mostServices)
    return `${asked.size} names asked for, above ${mostServices}`;
  if (access !== undefined)
    for (const { from, to } of access.intentions)
      if (from === '' || to === '') return 'an intention without from or to';
  if (flags !== undefined)
    for (const [name, variant] of flags)
      if (!word.test(name) || !word.test(variant))
        return `flag '${name}': only letters, digits, '.', '_' and '-'`;
  if ((slice.policies?.length ?? 0) > mostPolicies)
    return `${slice.policies!.length} policies, above ${mostPolicies}`;
  return checkRoutes(slice);
};

const checkRoutes = ({ routes, targets }: Slice): string | null => {
  if (targets !== undefined) {
    if (targets.size > mostServices) return `${targets.size} targets, above ${mostServices}`;
    for (const [key, view] of targets) {
      const why = checkView(view.name, view);
      if (why !== null) return `target '${key}': ${why}`;
    }
  }
  for (const [name, table] of routes ?? [])
    for (const { legs } of table?.rules ?? []) {
      if (legs.length === 0) return `a route of '${name}' leads nowhere`;
      for (const { weight } of legs)
        if (!(weight > 0)) return `a route of '${name}' has a leg of weight ${weight}`;
    }
  return null;
};

const word = /^[A-Za-z0-9._-]{1,64}$/;

const checkView = (name: string, { name: own, endpoints }: ServiceView): string | null => {
  if (name !== own || name === '') return `is named '${own}' within`;
  if (endpoints.length > mostEndpoints) return `${endpoints.length} instances, above ${mostEndpoints}`;
  const ids = new Set<string>();
  for (const endpoint of endpoints) {
    if (ids.has(endpoint.id)) return `'${endpoint.id}' stands twice`;
    ids.add(endpoint.id);
    const why = checkAddress(endpoint);
    if (why !== null) return `'${endpoint.id}': ${why}`;
  }
  return null;
};

const checkAddress = ({ id, host, port, service }: Address): string | null => {
  if (id === '' || host === '') return 'has no address';
  if (service === '') return 'does not say whose certificate to expect';
  const isSocket = port === 0 && id.startsWith('unix:');
  return isSocket || (Number.isInteger(port) && port >= 1 && port <= 65535)
    ? null
    : `port ${port} is not 1 to 65535`;
};

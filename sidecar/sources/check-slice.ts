import type { Address } from '../core/endpoint.ts';
import type { ServiceView, Slice } from '../core/snapshot.ts';

/** Services that one slice may hold, and instances that one service may have. Above it, somebody floods us. */
const mostServices = 10_000;
const mostEndpoints = 20_000;

/** What is wrong with a slice, in words, or null. A bad slice is a bug or an attack: none of it is used. */
export const checkSlice = ({ services, asked, access, flags }: Slice): string | null => {
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

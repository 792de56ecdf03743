import type { Ask, Route } from './ask.ts';
import type { Query } from './blocking.ts';
import { compileFilter } from './filter.ts';
import { catalogShape, checkShape, healthShape, nodeShape } from './filter-shapes.ts';
import type { Ledger } from './ledger.ts';
import { Refusal } from './refusal.ts';
import type { Registry, Service } from './registry.ts';
import { catalogView, checkView, healthView, instances, nodeAlive, type View } from './views.ts';

/** What the routes below read. */
export interface CatalogParts {
  readonly registry: Registry;
  readonly ledger: Ledger;
  readonly query: Query;
}

/** `/v1/catalog/...` and `/v1/health/...`: who is there, and how well. Ref: Consul API, "Catalog" and "Health". */
export const catalogRoutes = ({ registry, ledger, query }: CatalogParts): Route[] => {
  const of =
    (prefix: 'service' | 'connect', view: 'health' | 'catalog') =>
    (ask: Ask): ReturnType<Query> => {
      const name = ask.parts['service']!;
      if (name === '') throw new Refusal(400, 'Missing service name');
      const passes = compileFilter(ask.search.get('filter'), view === 'health' ? healthShape : catalogShape);
      const topic = `${prefix}:${name}`;
      return query(ask, {
        kept: `${view} ${prefix}`,
        concerns: (written) => written === topic,
        read: () => {
          const found = instances(registry, name, prefix === 'connect').filter(wanted(ask.search));
          const shown = found.map((one) =>
            view === 'health' ? healthView(one, registry) : catalogView(one, registry),
          );
          const passing = view === 'health' && onlyPassing(ask.search);
          const json = shown.filter((one) => (!passing || isPassing(one)) && passes(one));
          return { index: registry.indexOf(topic), json };
        },
      });
    };
  return [
    {
      method: 'GET',
      path: '/v1/catalog/nodes',
      answer: (ask) => {
        const passes = compileFilter(ask.search.get('filter'), nodeShape);
        return query(ask, {
          concerns: (written) => written === 'nodes',
          read: () => ({ index: ledger.last('nodes'), json: [registry.node].filter(passes) }),
        });
      },
    },
    {
      method: 'GET',
      path: '/v1/catalog/services',
      answer: (ask) =>
        query(ask, {
          kept: 'services',
          concerns: (written) => written === 'services',
          read: () => ({ index: ledger.last('services'), json: namesAndTags(registry) }),
        }),
    },
    { method: 'GET', path: '/v1/catalog/service/:service', answer: of('service', 'catalog') },
    { method: 'GET', path: '/v1/catalog/connect/:service', answer: of('connect', 'catalog') },
    { method: 'GET', path: '/v1/health/service/:service', answer: of('service', 'health') },
    { method: 'GET', path: '/v1/health/connect/:service', answer: of('connect', 'health') },
    {
      method: 'GET',
      path: '/v1/health/checks/:service',
      answer: (ask) => {
        const passes = compileFilter(ask.search.get('filter'), checkShape);
        const topic = `service:${ask.parts['service']}`;
        return query(ask, {
          concerns: (written) => written === topic,
          read: () => {
            const found = instances(registry, ask.parts['service']!, false);
            const json = found
              .flatMap(({ fields }) => registry.checksOf(fields.ID))
              .map((check) => checkView(check, registry))
              .filter(passes);
            return { index: registry.indexOf(topic), json };
          },
        });
      },
    },
    {
      method: 'GET',
      path: '/v1/health/state/:state',
      answer: (ask) => {
        const state = ask.parts['state']!;
        if (state === '') throw new Refusal(400, 'Missing check state');
        const passes = compileFilter(ask.search.get('filter'), checkShape);
        return query(ask, {
          concerns: (written) => written === 'checks',
          read: () => {
            const all = [...registry.checks.values()].map((check) => checkView(check, registry));
            const json = [nodeAlive(registry), ...all].filter(
              (check) => (state === 'any' || check['Status'] === state) && passes(check),
            );
            return { index: ledger.last('checks'), json };
          },
        });
      },
    },
  ];
};

/** Every `?tag=` must be there, whatever its case. */
const wanted = (search: URLSearchParams): ((service: Service) => boolean) => {
  const tags = search.getAll('tag').filter((tag) => tag !== '');
  return ({ fields }) =>
    tags.every((tag) => fields.Tags.some((own) => own.toLowerCase() === tag.toLowerCase()));
};

/** `?passing`, `?passing=1` and so on; `?passing=false` is no. */
const onlyPassing = (search: URLSearchParams): boolean => {
  const value = search.get('passing');
  if (value === null) return false;
  if (value === '' || ['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false;
  throw new Refusal(400, 'Invalid value for ?passing');
};

const isPassing = (one: View): boolean =>
  (one['Checks'] as View[]).every((check) => check['Status'] === 'passing');

const namesAndTags = (registry: Registry): Record<string, string[]> => {
  // The servers of a cluster list themselves; a client that counts names would miss this one.
  const names = new Map<string, Set<string>>([['consul', new Set()]]);
  for (const { fields } of registry.services.values()) {
    const tags = names.get(fields.Service) ?? new Set();
    for (const tag of fields.Tags) tags.add(tag);
    names.set(fields.Service, tags);
  }
  return Object.fromEntries([...names].map(([name, tags]) => [name, [...tags].sort()]));
};

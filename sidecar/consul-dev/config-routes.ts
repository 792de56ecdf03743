import { type Ask, jsonBody, type Route } from './ask.ts';
import type { Authorities } from './authorities.ts';
import type { Query } from './blocking.ts';
import { Chain, type ChainOptions } from './chain.ts';
import type { ConfigEntries } from './config-entries.ts';
import { durationOf } from './duration.ts';
import { Refusal } from './refusal.ts';

/** What the routes below read and write. */
export interface ConfigParts {
  readonly entries: ConfigEntries;
  readonly authorities: Authorities;
  readonly query: Query;
}

/** `/v1/config...` and `/v1/discovery-chain/...`. Ref: Consul API, "Config" and "Discovery chain". */
export const configRoutes = ({ entries, authorities, query }: ConfigParts): Route[] => {
  const concerns = (written: string): boolean => written === 'config';
  /** Compiles every chain that there is, so that a write which breaks one is refused. */
  const check = (): void => {
    for (const service of entries.services()) new Chain(service, entries, authorities.trustDomain).compile();
  };
  const chain = (ask: Ask, options: ChainOptions) => {
    const service = ask.parts['service']!;
    if (service === '') throw new Refusal(400, 'Bad request: Missing chain name');
    const dc = ask.search.get('compile-dc');
    return query(ask, {
      concerns,
      read: () => ({
        index: entries.index,
        json: {
          Chain: new Chain(service, entries, authorities.trustDomain, {
            ...options,
            ...(dc === null || dc === '' ? {} : { dc }),
          }).compile(),
        },
      }),
    });
  };
  return [
    {
      method: 'PUT',
      path: '/v1/config',
      answer: (ask) => {
        const body = jsonBody(ask, 'Bad request: Request decoding failed: ');
        return { json: entries.put(body, ask.search.get('cas'), check) };
      },
    },
    {
      method: 'GET',
      path: '/v1/config/:kind',
      answer: (ask) => {
        const kind = ask.parts['kind']!;
        const slash = kind.indexOf('/');
        if (slash < 0)
          return query(ask, { concerns, read: () => ({ index: entries.index, json: entries.list(kind) }) });
        return one(ask, kind.slice(0, slash), kind.slice(slash + 1), entries, query);
      },
    },
    {
      method: 'DELETE',
      path: '/v1/config/:kind',
      answer: (ask) => {
        const [kind = '', ...name] = ask.parts['kind']!.split('/');
        entries.list(kind);
        entries.remove(kind, name.join('/'), check);
        return { json: {} };
      },
    },
    { method: 'GET', path: '/v1/discovery-chain/:service', answer: (ask) => chain(ask, {}) },
    {
      method: 'POST',
      path: '/v1/discovery-chain/:service',
      answer: (ask) => {
        const body = jsonBody(ask, 'Bad request: Request decoding failed: ');
        const protocol = String(body['OverrideProtocol'] ?? '').toLowerCase();
        return chain(ask, {
          ...(protocol === '' ? {} : { protocol }),
          connectTimeoutMs: durationOf(body['OverrideConnectTimeout']),
        });
      },
    },
  ];
};

const one = (ask: Ask, kind: string, name: string, entries: ConfigEntries, query: Query) =>
  query(ask, {
    concerns: (written) => written === 'config',
    read: () => {
      entries.list(kind);
      const found = entries.get(kind, name);
      if (found !== undefined) return { index: entries.index, json: found };
      return {
        index: entries.index,
        status: 404,
        headers: { 'Content-Type': 'text/plain; charset=utf-8' },
        raw: `Config entry not found for "${kind}" / "${name}"`,
      };
    },
  });

import { type Ask, jsonBody, type Route } from './ask.ts';
import type { Authorities } from './authorities.ts';
import type { Query } from './blocking.ts';
import { Chain, type ChainOptions } from './chain.ts';
import type { ConfigEntries, ConfigEntry } from './config-entries.ts';
import { durationOf } from './duration.ts';
import type { IntentionEntries } from './intention-entries.ts';
import { Refusal } from './refusal.ts';

/** What the routes below read and write. */
export interface ConfigParts {
  readonly entries: ConfigEntries;
  /** Those of the kind service-intentions, which lie with the other intentions. */
  readonly rules: IntentionEntries;
  readonly authorities: Authorities;
  readonly query: Query;
}

/** `/v1/config...` and `/v1/discovery-chain/...`. Ref: Consul API, "Config" and "Discovery chain". */
export const configRoutes = ({ entries, rules, authorities, query }: ConfigParts): Route[] => {
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
      kept: 'chain',
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
        const cas = ask.search.get('cas');
        const kind = body['Kind'] ?? body['kind'];
        return { json: kind === intentionsKind ? rules.put(body, cas) : entries.put(body, cas, check) };
      },
    },
    {
      method: 'GET',
      path: '/v1/config/:kind',
      answer: (ask) => {
        const kind = ask.parts['kind']!;
        const slash = kind.indexOf('/');
        const table = tableOf(slash < 0 ? kind : kind.slice(0, slash), entries, rules);
        if (slash < 0)
          return query(ask, {
            concerns: table.concerns,
            read: () => ({ index: table.index(), json: table.list() }),
          });
        return one(ask, kind.slice(0, slash), kind.slice(slash + 1), table, query);
      },
    },
    {
      method: 'DELETE',
      path: '/v1/config/:kind',
      answer: (ask) => {
        const [kind = '', ...name] = ask.parts['kind']!.split('/');
        if (kind === intentionsKind) rules.remove(name.join('/'));
        else {
          entries.list(kind);
          entries.remove(kind, name.join('/'), check);
        }
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

const intentionsKind = 'service-intentions';

/** The entries of one kind, wherever they lie. */
interface Table {
  concerns(written: string): boolean;
  index(): number;
  list(): ConfigEntry[];
  get(name: string): ConfigEntry | undefined;
}

const tableOf = (kind: string, entries: ConfigEntries, rules: IntentionEntries): Table =>
  kind === intentionsKind
    ? {
        concerns: (written) => written === 'intentions',
        index: () => rules.index,
        list: () => rules.list(),
        get: (name) => rules.get(name),
      }
    : {
        concerns: (written) => written === 'config',
        index: () => entries.index,
        list: () => entries.list(kind),
        get: (name) => entries.get(kind, name),
      };

const one = (ask: Ask, kind: string, name: string, table: Table, query: Query) =>
  query(ask, {
    concerns: table.concerns,
    read: () => {
      table.list();
      const found = table.get(name);
      if (found !== undefined) return { index: table.index(), json: found };
      return {
        index: table.index(),
        status: 404,
        headers: { 'Content-Type': 'text/plain; charset=utf-8' },
        raw: `Config entry not found for "${kind}" / "${name}"`,
      };
    },
  });

import { type Ask, jsonBody, type Route } from './ask.ts';
import type { Authorities } from './authorities.ts';
import type { Query } from './blocking.ts';
import { formatDuration, parseDuration } from './duration.ts';
import type { Intentions } from './intentions.ts';
import { Refusal } from './refusal.ts';

/** What the routes below read and write. */
export interface ConnectParts {
  readonly authorities: Authorities;
  readonly intentions: Intentions;
  readonly query: Query;
}

/** `/v1/agent/connect/...` and `/v1/connect/ca/...`: roots, leaves, who may call. Ref: Consul API, "Connect". */
export const connectRoutes = ({ authorities, intentions, query }: ConnectParts): Route[] => {
  const roots = (ask: Ask) =>
    query(ask, {
      concerns: (written) => written === 'roots',
      read: () => ({ index: authorities.index, json: authorities.view() }),
    });
  return [
    { method: 'GET', path: '/v1/connect/ca/roots', answer: roots },
    { method: 'GET', path: '/v1/agent/connect/ca/roots', answer: roots },
    {
      method: 'GET',
      path: '/v1/agent/connect/ca/leaf/:service',
      answer: (ask) => {
        const service = ask.parts['service']!;
        return query(ask, {
          concerns: (written) => written === `leaf:${service}`,
          read: async () => {
            const { index, view } = await authorities.leaf(service);
            return { index, json: view };
          },
        });
      },
    },
    {
      method: 'GET',
      path: '/v1/connect/ca/configuration',
      answer: () => ({
        json: {
          Provider: 'consul',
          Config: { LeafCertTTL: formatDuration(authorities.leafTtlMs) },
          State: null,
          ForceWithoutCrossSigning: false,
        },
      }),
    },
    {
      method: 'PUT',
      path: '/v1/connect/ca/configuration',
      answer: async (ask) => {
        await configure(authorities, ask);
        return {};
      },
    },
    {
      method: 'POST',
      path: '/v1/agent/connect/authorize',
      answer: (ask) => {
        const body = jsonBody(ask, 'Bad request: Request decode failed: ');
        const target = String(body['Target'] ?? '');
        if (target === '') throw new Refusal(400, 'Bad request: Target service must be specified');
        const caller = serviceOf(String(body['ClientCertURI'] ?? ''));
        if (caller === null)
          throw new Refusal(400, 'Bad request: ClientCertURI not a valid Connect identifier');
        const { allowed, reason } = intentions.decide(caller, target);
        return { headers: { 'X-Cache': 'MISS' }, json: { Authorized: allowed, Reason: reason } };
      },
    },
  ];
};

/** Takes a new configuration. A real agent changes the root when its key differs; ours makes its own, so any PUT does. */
const configure = async (authorities: Authorities, ask: Ask): Promise<void> => {
  const body = jsonBody(ask, 'Bad request: Request decode failed: ');
  if (body['Provider'] !== 'consul')
    throw new Refusal(
      500,
      `could not initialize provider: unknown CA provider "${String(body['Provider'])}"`,
    );
  const config = (body['Config'] ?? {}) as Record<string, unknown>;
  const ttl = config['LeafCertTTL'];
  if (ttl !== undefined) {
    const ms = parseDuration(String(ttl));
    if (ms === undefined || ms < 1000)
      throw new Refusal(500, 'error configuring provider: leaf cert TTL must be greater or equal than 1s');
    authorities.leafTtlMs = ms;
  }
  await authorities.rotate();
};

/** The service of a SPIFFE id as Consul's CA writes it; null for any other URI. */
const serviceOf = (uri: string): string | null => {
  const found = /^spiffe:\/\/[^/]+\/ns\/[^/]+\/dc\/[^/]+\/svc\/([^/]+)$/.exec(uri);
  try {
    return found === null ? null : decodeURIComponent(found[1]!);
  } catch {
    return null;
  }
};

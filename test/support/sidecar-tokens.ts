import type { AclConsul } from './acl-consul.ts';
import type { ApiQuestion } from './consul-api.ts';

interface Registration {
  readonly ID?: string;
  readonly Name?: string;
  readonly CheckID?: string;
  readonly ServiceID?: string;
  readonly Target?: string;
  readonly Proxy?: { readonly DestinationServiceName?: string };
  readonly Check?: { readonly CheckID?: string };
  readonly Checks?: readonly { readonly CheckID?: string }[];
}

/** What only reads, and what a sidecar asks of it. */
const reads =
  /^\/v1\/(health\/|catalog\/service|discovery-chain\/|kv\/outrigger\/|connect\/intentions$|(agent\/)?connect\/ca\/roots|status\/|agent\/(services|checks|health\/|service\/))/;

/**
 * The token for each question of the contract: what a sidecar asks is asked with the token of README.md for the service
 * that it is about, and nothing else. What an operator does (config entries, intentions, keys, the CA) is not.
 */
export const sidecarTokens = (consul: AclConsul): ((question: ApiQuestion) => Promise<string>) => {
  /** Ids of instances and checks, and whose they are. */
  const owners = new Map<string, string>();
  const register = (body: Registration): string | undefined => {
    const service = body.Proxy?.DestinationServiceName ?? body.Name;
    if (service === undefined) return undefined;
    const id = body.ID ?? body.Name!;
    const checks = [...(body.Check === undefined ? [] : [body.Check]), ...(body.Checks ?? [])];
    const ids = checks.flatMap(({ CheckID }, at) => [
      `service:${id}`,
      `service:${id}:${at + 1}`,
      CheckID ?? '',
    ]);
    for (const one of [id, ...ids]) owners.set(one, service);
    return service;
  };
  const ownerOf = ({ method, path, body = {} }: ApiQuestion): string | undefined => {
    const { pathname, searchParams } = new URL(path, 'http://agent');
    const said = body as Registration;
    const [, what = '', id = ''] =
      /^\/v1\/(agent\/(?:service|check)\/\w+|agent\/connect\/ca\/leaf)\/(.+)$/.exec(pathname) ?? [];
    if (what === 'agent/connect/ca/leaf') return id;
    if (what !== '' && method === 'PUT') return owners.get(decodeURIComponent(id));
    if (pathname === '/v1/agent/service/register') return register(said);
    if (pathname === '/v1/agent/check/register') {
      const service = owners.get(said.ServiceID ?? '');
      if (service !== undefined) owners.set(said.CheckID ?? said.Name ?? '', service);
      return service;
    }
    if (pathname === '/v1/agent/connect/authorize') return said.Target || undefined;
    if (pathname === '/v1/connect/intentions/match') return searchParams.get('name') ?? undefined;
    return method === 'GET' && reads.test(pathname) ? 'reader' : undefined;
  };
  return async (question) => {
    const service = ownerOf(question);
    return service === undefined ? consul.management : consul.tokenFor(service);
  };
};

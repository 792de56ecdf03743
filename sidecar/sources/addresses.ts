import { isIP } from 'node:net';
import type { ConnectEntry } from '../consul/answers.ts';
import { contractKey, isContractHash } from '../core/contract.ts';
import type { Address } from '../core/endpoint.ts';
import { forbidden } from '../core/forbidden.ts';

/** Hears of an entry that is left out: a label for metrics, and what was wrong in words. */
export type Refuse = (reason: string, what: string) => void;

/**
 * The addresses of `service` in an answer of `/v1/health/connect`, in the order of their ids, each once.
 *
 * An entry that may not be dialled is left out and told to `refuse`: whoever can register a service must not be
 * able to send our calls to the cloud's credentials.
 */
export const addressesOf = (service: string, entries: readonly ConnectEntry[], refuse: Refuse): Address[] => {
  const byId = new Map<string, Address>();
  for (const entry of entries) {
    const address = addressOf(service, entry, refuse);
    if (address !== null) byId.set(address.id, address);
  }
  return [...byId.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
};

const addressOf = (service: string, { Node, Service }: ConnectEntry, refuse: Refuse): Address | null => {
  const { Port: port, ID } = Service;
  const host = unbracketed(Service.Address !== '' ? Service.Address : Node.Address);
  const said = `'${ID.slice(0, 128)}' at '${host.slice(0, 128)}' port ${port}`;
  // Consul names no others here; what a changed or hostile one names is nobody that our certificate check expects.
  const proves = Service.Kind === 'connect-proxy' ? Service.Proxy?.DestinationServiceName : Service.Service;
  const speaks = Service.Kind === 'connect-proxy' || Service.Connect?.Native === true;
  if (proves !== service || !speaks) {
    refuse('stranger', `${said} is no proxy of '${service}'`);
    return null;
  }
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    refuse('port', `${said}: ports are 1 to 65535`);
    return null;
  }
  const why = forbidden(host);
  if (why !== null) {
    refuse(why, `${said}: such an address is never dialled (${why})`);
    return null;
  }
  // The nearer word counts: who says it of a service means it.
  const zone = Service.Meta?.['zone'] || Node.Meta?.['zone'] || '';
  const contract = Service.Meta?.[contractKey] ?? '';
  const id = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
  return {
    id,
    host,
    port,
    service,
    ...(zone !== '' && { zone }),
    ...(isContractHash(contract) && { contract }),
  };
};

const unbracketed = (host: string): string =>
  host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;

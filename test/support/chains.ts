import { type ChainAnswer, chainAnswer } from '../../sidecar/consul/chain-answer.ts';
import { Chain } from '../../sidecar/consul-dev/chain.ts';
import { ConfigEntries } from '../../sidecar/consul-dev/config-entries.ts';
import { Ledger } from '../../sidecar/consul-dev/ledger.ts';
import { systemTime } from '../../sidecar/consul-dev/time.ts';
import type { RouteRule, RouteTable, TextMatch } from '../../sidecar/core/routes.ts';

/** A config entry as a user writes it. */
export type Entry = { readonly Kind: string; readonly Name: string } & Readonly<Record<string, unknown>>;

/** The discovery chain of `name` that an agent with these entries answers, as the door hands it over. */
export const chainOf = (name: string, ...entries: Entry[]): ChainAnswer => {
  const config = new ConfigEntries(new Ledger(systemTime));
  for (const entry of entries) config.put({ ...entry }, null, () => {});
  return chainAnswer.parse({ Chain: new Chain(name, config, 'td.consul').compile() });
};

/** Services that speak gRPC, so that they can be routed and split. */
export const grpcServices = (...names: string[]): Entry[] =>
  names.map((Name) => ({ Kind: 'service-defaults', Name, Protocol: 'grpc' }));

/** A match of a text. */
export const text = (by: TextMatch['by'], said = '', ignoreCase = false): TextMatch => ({
  by,
  text: said,
  ignoreCase,
});

/** A rule that fits every call and leads to the target `all`, but for `parts`. */
export const rule = (parts: Partial<RouteRule> = {}): RouteRule => ({
  path: null,
  fields: [],
  legs: [{ weight: 100, targets: ['all'] }],
  rewrite: null,
  timeoutMs: null,
  ...parts,
});

/** The routes of `web`. */
export const table = (...rules: RouteRule[]): RouteTable => ({ name: 'web', protocol: 'grpc', rules });

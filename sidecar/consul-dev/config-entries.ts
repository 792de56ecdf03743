import { type Body, type Fields, readFields } from './body.ts';
import { formatDuration, parseDuration } from './duration.ts';
import type { Ledger } from './ledger.ts';
import { Refusal } from './refusal.ts';

/** A config entry in Consul's own names, as it was written, with its indexes. */
export interface ConfigEntry extends Readonly<Record<string, unknown>> {
  readonly Kind: string;
  readonly Name: string;
  readonly CreateIndex: number;
  readonly ModifyIndex: number;
}

const fields: Readonly<Record<string, Fields>> = {
  'proxy-defaults': { Config: 'object', MeshGateway: 'object', Expose: 'object' },
  'service-defaults': { Protocol: 'text', MeshGateway: 'object', Expose: 'object' },
  'service-router': { Routes: 'objects' },
  'service-splitter': { Splits: 'objects' },
  'service-resolver': {
    DefaultSubset: 'text',
    Subsets: 'object',
    Redirect: 'object',
    Failover: 'object',
    ConnectTimeout: 'duration',
    LoadBalancer: 'object',
  },
};

const common: Fields = {
  Kind: 'text',
  Name: 'text',
  Namespace: 'text',
  Meta: 'map',
  CreateIndex: 'number',
  ModifyIndex: 'number',
};

const mostEntries = 5000;

/** ConfigEntries is the table behind `/v1/config`. What breaks a chain is refused when it is written, as in Consul. */
export class ConfigEntries {
  readonly #table: Map<string, ConfigEntry> = new Map();
  readonly #ledger: Ledger;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** Index of the table. */
  get index(): number {
    return this.#ledger.last('config');
  }

  /** The entry of that kind and name. */
  get(kind: string, name: string): ConfigEntry | undefined {
    return this.#table.get(key(kind, name));
  }

  /** All entries of a kind by name; refuses a kind that there is none of. */
  list(kind: string): ConfigEntry[] {
    if (!Object.hasOwn(fields, kind)) throw new Refusal(500, `invalid config entry kind: ${kind}`);
    return [...this.#table.values()]
      .filter((entry) => entry.Kind === kind)
      .sort((a, b) => (a.Name < b.Name ? -1 : 1));
  }

  /** Names of the services that any entry is about. */
  services(): string[] {
    const names = [...this.#table.values()]
      .filter(({ Kind }) => Kind !== 'proxy-defaults')
      .map(({ Name }) => Name);
    return [...new Set(names)];
  }

  /** Writes an entry when `check` finds no fault in the whole; `cas` as in KV. Answers whether it was written. */
  put(given: Record<string, unknown>, cas: string | null, check: () => void): boolean {
    const body = readEntry(given);
    const kind = body['Kind'] as string;
    const name = body['Name'] as string;
    const known = this.get(kind, name);
    if (cas !== null && Number(cas) !== (known?.ModifyIndex ?? 0)) return false;
    if (known === undefined && this.#table.size >= mostEntries)
      throw new Refusal(500, `the development agent holds ${mostEntries} config entries at most`);
    const index = this.#ledger.index + 1;
    const entry = {
      ...body,
      Kind: kind,
      Name: name,
      CreateIndex: known?.CreateIndex ?? index,
      ModifyIndex: index,
    };
    this.#try(key(kind, name), entry, known, check);
    this.#ledger.write('config');
    return true;
  }

  /** Takes an entry out when `check` finds no fault in what is left; nothing happens when there is none. */
  remove(kind: string, name: string, check: () => void): void {
    const known = this.get(kind, name);
    if (known === undefined) return;
    this.#try(key(kind, name), undefined, known, check);
    this.#ledger.write('config');
  }

  #try(at: string, entry: ConfigEntry | undefined, known: ConfigEntry | undefined, check: () => void): void {
    this.#set(at, entry);
    try {
      check();
    } catch (error) {
      this.#set(at, known);
      throw error;
    }
  }

  #set(at: string, entry: ConfigEntry | undefined): void {
    if (entry === undefined) this.#table.delete(at);
    else this.#table.set(at, entry);
  }
}

const key = (kind: string, name: string): string => `${kind}/${name}`;

const readEntry = (given: Record<string, unknown>): Body => {
  const kind = String(given['Kind'] ?? given['kind'] ?? '');
  if (!Object.hasOwn(fields, kind))
    throw new Refusal(400, `Bad request: Request decoding failed: invalid config entry kind: ${kind}`);
  const body = readFields(given, { ...common, ...fields[kind] });
  const name = body['Name'] ?? '';
  if (name === '') throw new Refusal(500, 'Name is required');
  if (kind === 'proxy-defaults' && name !== 'global')
    throw new Refusal(500, `invalid name ("${String(name)}"), only "global" is supported`);
  const splits = body['Splits'] as { Weight?: number }[] | undefined;
  if (kind === 'service-splitter') checkWeights(splits ?? []);
  if (kind !== 'service-resolver' || body['ConnectTimeout'] === undefined) return body;
  const timeout = body['ConnectTimeout'];
  const ms = typeof timeout === 'number' ? timeout / 1e6 : parseDuration(timeout as string);
  if (ms === undefined)
    throw new Refusal(
      400,
      `Bad request: Request decoding failed: time: invalid duration "${String(timeout)}"`,
    );
  return { ...body, ConnectTimeout: formatDuration(ms) };
};

const checkWeights = (splits: readonly { Weight?: number }[]): void => {
  if (splits.length === 0) throw new Refusal(500, 'no splits configured');
  // In hundredths, so that thirds written with two digits add up.
  const sum = splits.reduce((total, { Weight = 0 }) => total + Math.round(Weight * 100), 0);
  if (sum !== 10_000)
    throw new Refusal(500, `the sum of all split weights must be 100, not ${(sum / 100).toFixed(6)}`);
};

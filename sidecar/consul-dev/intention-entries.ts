import { type Fields, readFields } from './body.ts';
import type { ConfigEntry } from './config-entries.ts';
import type { EntryIntention, Intentions } from './intentions.ts';
import type { Ledger } from './ledger.ts';
import { Refusal } from './refusal.ts';

const kind = 'service-intentions';

const entryFields: Fields = {
  Kind: 'text',
  Name: 'text',
  Namespace: 'text',
  Meta: 'map',
  Sources: 'objects',
  CreateIndex: 'number',
  ModifyIndex: 'number',
};
const sourceFields: Fields = {
  Name: 'text',
  Action: 'text',
  Permissions: 'objects',
  Precedence: 'number',
  Type: 'text',
  Description: 'text',
  Namespace: 'text',
};
const permissionFields: Fields = { Action: 'text', HTTP: 'object', JWT: 'object' };
const httpFields: Fields = {
  PathExact: 'text',
  PathPrefix: 'text',
  PathRegex: 'text',
  Header: 'objects',
  Methods: 'texts',
};
const headerFields: Fields = {
  Name: 'text',
  Present: 'flag',
  Exact: 'text',
  Prefix: 'text',
  Suffix: 'text',
  Contains: 'text',
  Regex: 'text',
  Invert: 'flag',
  IgnoreCase: 'flag',
};

const mostEntries = 1000;

/**
 * IntentionEntries is the table behind `/v1/config` for `service-intentions`, as since Consul 1.9: all rules about one
 * destination in one entry, some with permissions per request. What Consul refuses is refused when it is written.
 * Ref: Consul, "Service intentions configuration entry reference".
 */
export class IntentionEntries {
  readonly #table: Map<string, ConfigEntry> = new Map();
  readonly #ledger: Ledger;
  readonly #intentions: Intentions;
  readonly #isHttp: (service: string) => boolean;

  /** `isHttp`: whether the calls of a service can be told apart, so that permissions have a meaning. */
  constructor(ledger: Ledger, intentions: Intentions, isHttp: (service: string) => boolean) {
    this.#ledger = ledger;
    this.#intentions = intentions;
    this.#isHttp = isHttp;
  }

  /** Index of the table. */
  get index(): number {
    return this.#intentions.index;
  }

  get(name: string): ConfigEntry | undefined {
    return this.#table.get(name);
  }

  /** All entries by name. */
  list(): ConfigEntry[] {
    return [...this.#table.values()].sort((a, b) => (a.Name < b.Name ? -1 : 1));
  }

  /** Writes an entry; `cas` as in KV. Answers whether it was written. */
  put(given: Record<string, unknown>, cas: string | null): boolean {
    const body = readFields(given, entryFields);
    const name = String(body['Name'] ?? '');
    if (name === '') throw new Refusal(500, 'Name is required');
    checkWildcard(name, 'Name');
    const known = this.#table.get(name);
    if (cas !== null && Number(cas) !== (known?.ModifyIndex ?? 0)) return false;
    if (known === undefined && this.#table.size >= mostEntries)
      throw new Refusal(500, `the development agent holds ${mostEntries} service-intentions at most`);
    const sources = readSources((body['Sources'] ?? []) as Record<string, unknown>[], name);
    if (sources.some(({ Permissions }) => Permissions !== undefined) && !this.#isHttp(name))
      throw new Refusal(
        500,
        `service-intentions "${name}" has Permissions, but the service does not define its protocol as http, http2 or grpc`,
      );
    this.#intentions.putAll(name, sources);
    const index = this.#ledger.index;
    this.#table.set(name, {
      ...body,
      Kind: kind,
      Name: name,
      Sources: sources,
      CreateIndex: known?.CreateIndex ?? index,
      ModifyIndex: index,
    });
    return true;
  }

  /** Takes an entry out, with all rules about its destination; nothing happens when there is none. */
  remove(name: string): void {
    if (this.#table.delete(name)) this.#intentions.putAll(name, []);
  }
}

const readSources = (given: readonly Record<string, unknown>[], destination: string): EntryIntention[] => {
  if (given.length === 0) throw new Refusal(500, 'At least one source is required');
  const sources = given.map((one, at) => readSource(one, at, destination));
  for (const [at, { Name }] of sources.entries())
    if (sources.findIndex((other) => other.Name === Name) < at)
      throw new Refusal(500, `Sources[${at}] defines "${Name}" more than once`);
  return sources.sort((a, b) => b.Precedence - a.Precedence);
};

const readSource = (given: Record<string, unknown>, at: number, destination: string): EntryIntention => {
  const source = readFields(given, sourceFields);
  const place = `Sources[${at}]`;
  const Name = String(source['Name'] ?? '');
  if (Name === '') throw new Refusal(500, `${place}.Name is required`);
  checkWildcard(Name, `${place}.Name`);
  const Action = String(source['Action'] ?? '');
  const permissions = (source['Permissions'] ?? []) as Record<string, unknown>[];
  if (permissions.length === 0 && !isAction(Action))
    throw new Refusal(500, `${place}.Action must be set to 'allow' or 'deny'`);
  if (permissions.length > 0 && Action !== '')
    throw new Refusal(500, `${place}.Action must be omitted if Permissions are specified`);
  if (permissions.length > 0 && destination === '*')
    throw new Refusal(
      500,
      `${place}.Permissions cannot be specified on intentions with wildcarded destinations`,
    );
  return {
    Name,
    ...(Action === '' ? {} : { Action: Action as 'allow' | 'deny' }),
    ...(permissions.length === 0
      ? {}
      : { Permissions: permissions.map((one, of) => readPermission(one, `${place}.Permissions[${of}]`)) }),
    Precedence: (destination === '*' ? 5 : 8) + (Name === '*' ? 0 : 1),
    Type: 'consul',
    Description: String(source['Description'] ?? ''),
  };
};

const readPermission = (given: Record<string, unknown>, place: string): Record<string, unknown> => {
  const permission = readFields(given, permissionFields);
  if (!isAction(String(permission['Action'] ?? '')))
    throw new Refusal(500, `${place}.Action must be set to 'allow' or 'deny'`);
  if (permission['HTTP'] === undefined) throw new Refusal(500, `${place}.HTTP is required`);
  const http = readFields(permission['HTTP'], httpFields);
  const paths = ['PathExact', 'PathPrefix', 'PathRegex'].filter((key) => (http[key] ?? '') !== '');
  if (paths.length > 1)
    throw new Refusal(
      500,
      `${place}.HTTP should only contain at most one of PathExact, PathPrefix, or PathRegex`,
    );
  for (const key of paths)
    if (key !== 'PathRegex' && !String(http[key]).startsWith('/'))
      throw new Refusal(500, `${place}.HTTP.${key} doesn't start with '/': "${String(http[key])}"`);
  const headers = ((http['Header'] ?? []) as Record<string, unknown>[]).map((one, of) =>
    readHeader(one, `${place}.HTTP.Header[${of}]`),
  );
  const methods = ((http['Methods'] ?? []) as string[]).map((method) => method.toUpperCase());
  if (paths.length + headers.length + methods.length === 0)
    throw new Refusal(500, `${place}.HTTP should not be empty`);
  const shown = {
    ...http,
    ...(headers.length > 0 ? { Header: headers } : {}),
    ...(methods.length > 0 ? { Methods: methods } : {}),
  };
  return { ...permission, HTTP: shown };
};

const readHeader = (given: Record<string, unknown>, place: string): Record<string, unknown> => {
  const header = readFields(given, headerFields);
  if ((header['Name'] ?? '') === '') throw new Refusal(500, `${place} missing required Name field`);
  const asked = ['Present', 'Exact', 'Prefix', 'Suffix', 'Contains', 'Regex'].filter((key) => header[key]);
  if (asked.length !== 1)
    throw new Refusal(500, `${place} should only contain one of Present, Exact, Prefix, Suffix, or Regex`);
  return header;
};

const isAction = (action: string): boolean => action === 'allow' || action === 'deny';

const checkWildcard = (name: string, place: string): void => {
  if (name !== '*' && name.includes('*'))
    throw new Refusal(500, `${place}: wildcard character '*' cannot be used with partial values`);
};

import { createHash, randomUUID } from 'node:crypto';
import type { Ledger } from './ledger.ts';
import { Refusal } from './refusal.ts';
import type { Time } from './time.ts';

/** One rule of a `service-intentions` entry. */
export interface EntryIntention {
  readonly Name: string;
  /** Absent where there are permissions. */
  readonly Action?: 'allow' | 'deny';
  readonly Permissions?: readonly Readonly<Record<string, unknown>>[];
  readonly Precedence: number;
  readonly Type: 'consul';
  readonly Description: string;
}

/** Who may call whom, in Consul's names. */
export interface Intention {
  /** Absent on those that a config entry holds. */
  readonly ID?: string;
  readonly Description: string;
  readonly SourceNS: 'default';
  readonly SourceName: string;
  readonly DestinationNS: 'default';
  readonly DestinationName: string;
  readonly SourceType: 'consul';
  /** Absent where there are permissions. */
  readonly Action?: 'allow' | 'deny';
  readonly Permissions?: EntryIntention['Permissions'];
  readonly DefaultAddr?: '';
  readonly DefaultPort?: 0;
  readonly Meta?: Readonly<Record<string, string>>;
  /** 9 exact, 8 any source, 6 any destination, 5 both. */
  readonly Precedence: number;
  readonly CreatedAt?: string;
  readonly UpdatedAt?: string;
  readonly Hash?: string;
  readonly CreateIndex: number;
  readonly ModifyIndex: number;
}

/** What the first intention that matches says, or the default. */
export interface Decision {
  readonly allowed: boolean;
  readonly reason: string;
}

const mostIntentions = 10_000;

/** Intentions is the table of who may call whom. The most exact match decides; without any, the default. */
export class Intentions {
  readonly #table: Map<string, Intention> = new Map();
  /** By destination: what config entries hold. */
  readonly #entries: Map<string, readonly Intention[]> = new Map();
  readonly #ledger: Ledger;
  readonly #time: Time;
  readonly #defaultAllow: boolean;

  constructor(ledger: Ledger, time: Time, defaultAllow: boolean) {
    this.#ledger = ledger;
    this.#time = time;
    this.#defaultAllow = defaultAllow;
  }

  /** Index of the table. */
  get index(): number {
    return this.#ledger.last('intentions');
  }

  /** All, the most exact first. */
  all(): Intention[] {
    return [...this.#table.values(), ...[...this.#entries.values()].flat()].sort(byPrecedence);
  }

  /** Replaces all rules about a destination by those of its config entry; none: there is no entry any more. */
  putAll(destination: string, sources: readonly EntryIntention[]): void {
    for (const [id, { DestinationName }] of this.#table)
      if (DestinationName === destination) this.#table.delete(id);
    const index = this.#ledger.write('intentions');
    const rules = sources.map(
      ({ Name, Action, Permissions, Precedence, Description }): Intention => ({
        Description,
        SourceNS: 'default',
        SourceName: Name,
        DestinationNS: 'default',
        DestinationName: destination,
        SourceType: 'consul',
        ...(Action === undefined ? {} : { Action }),
        ...(Permissions === undefined ? {} : { Permissions }),
        Precedence,
        CreateIndex: index,
        ModifyIndex: index,
      }),
    );
    if (rules.length === 0) this.#entries.delete(destination);
    else this.#entries.set(destination, rules);
  }

  /** The one with that id; refuses with Consul's words when there is none. */
  get(id: string): Intention {
    if (id.length !== 36)
      throw new Refusal(400, 'Bad request: failed intention lookup: index error: UUID must be 36 characters');
    const found = this.#table.get(id);
    if (found === undefined) throw new Refusal(404, 'Intention not found');
    return found;
  }

  /** The one between exactly these two names. */
  exact(source: string, destination: string): Intention | undefined {
    return this.all().find((one) => one.SourceName === source && one.DestinationName === destination);
  }

  /** Those that concern a name, the most exact first; null when there is none, as Consul 1.8 answers. */
  matching(by: 'source' | 'destination', name: string): Intention[] | null {
    const key = by === 'source' ? 'SourceName' : 'DestinationName';
    const found = this.all().filter((one) => one[key] === name || one[key] === '*');
    return found.length === 0 ? null : found;
  }

  /** Adds one, or changes that with the id `known`; answers it. */
  put(body: Readonly<Record<string, unknown>>, known?: Intention): Intention {
    const source = nameIn(body, 'Source', known?.SourceName);
    const destination = nameIn(body, 'Destination', known?.DestinationName);
    const action = body['Action'];
    if (action !== 'allow' && action !== 'deny') throw faulty("Action must be set to 'allow' or 'deny'");
    if (this.#entries.has(destination))
      throw new Refusal(
        400,
        `development agent: the service-intentions entry "${destination}" holds all rules about it; change it by /v1/config`,
      );
    const other = this.exact(source, destination);
    if (other !== undefined && other.ID !== known?.ID)
      throw new Refusal(500, `duplicate intention found: ${describe(other)}`);
    if (known === undefined && this.#table.size >= mostIntentions)
      throw new Refusal(500, `the development agent holds ${mostIntentions} intentions at most`);
    const index = this.#ledger.write('intentions');
    const now = new Date(this.#time.wall()).toISOString();
    const content = {
      Description: String(body['Description'] ?? ''),
      SourceNS: 'default',
      SourceName: source,
      DestinationNS: 'default',
      DestinationName: destination,
      SourceType: 'consul',
      Action: action,
      DefaultAddr: '',
      DefaultPort: 0,
      Meta: (body['Meta'] ?? {}) as Record<string, string>,
      Precedence: (destination === '*' ? 5 : 8) + (source === '*' ? 0 : 1),
    } as const;
    const id = known?.ID ?? randomUUID();
    const intention: Intention = {
      ID: id,
      ...content,
      CreatedAt: known?.CreatedAt ?? now,
      UpdatedAt: now,
      Hash: createHash('sha256').update(JSON.stringify(content)).digest('base64'),
      CreateIndex: known?.CreateIndex ?? index,
      ModifyIndex: index,
    };
    this.#table.set(id, intention);
    return intention;
  }

  /** Takes one out. */
  remove(id: string): void {
    if (!this.#table.delete(id)) throw new Refusal(500, `Cannot delete non-existent intention: '${id}'`);
    this.#ledger.write('intentions');
  }

  /** Takes one out that may be a config entry's: its other rules stay. */
  removeExact({ ID, SourceName, DestinationName }: Intention): void {
    if (ID !== undefined) return this.remove(ID);
    throw new Refusal(
      400,
      `development agent: '${SourceName}' stands in the service-intentions entry "${DestinationName}"; change it by /v1/config`,
    );
  }

  /** Whether `source` may call `destination`, and why. */
  decide(source: string, destination: string): Decision {
    const found = this.matching('destination', destination)?.find(
      (one) => one.SourceName === source || one.SourceName === '*',
    );
    // One with permissions is about requests: of a connection nobody can say that it may be.
    if (found !== undefined)
      return {
        allowed: found.Action === 'allow',
        reason: `Matched ${layerOf(found)}intention: ${describe(found)}`,
      };
    return this.#defaultAllow
      ? { allowed: true, reason: 'ACLs disabled, access is allowed by default' }
      : { allowed: false, reason: 'Default behavior configured by ACLs' };
  }
}

const layerOf = ({ Permissions }: Intention): string => (Permissions === undefined ? '' : 'L7 ');

const describe = (one: Intention): string =>
  `${(one.Action ?? 'permissions').toUpperCase()} default/${one.SourceName} => default/${one.DestinationName} ` +
  `(ID: ${one.ID ?? 'none'}, Precedence: ${one.Precedence})`;

const byPrecedence = (a: Intention, b: Intention): number =>
  b.Precedence - a.Precedence ||
  compare(a.DestinationName, b.DestinationName) ||
  compare(a.SourceName, b.SourceName);

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const faulty = (text: string): Refusal => new Refusal(500, `1 error occurred:\n\t* ${text}\n\n`);

const nameIn = (
  body: Readonly<Record<string, unknown>>,
  side: 'Source' | 'Destination',
  known?: string,
): string => {
  const name = String(body[`${side}Name`] ?? known ?? '');
  if (name === '') throw faulty(`${side}Name must be set`);
  if (name !== '*' && name.includes('*'))
    throw faulty(`${side}Name: wildcard character '*' cannot be used with partial values`);
  return name;
};

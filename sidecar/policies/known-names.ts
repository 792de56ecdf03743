import type { Call } from '../core/call.ts';
import type { RouteTable } from '../core/routes.ts';
import type { Discovery, ServiceView, Snapshot } from '../core/snapshot.ts';
import { nameInAuthority } from './service-name.ts';

/** What a spelling means under one snapshot. */
export interface Meaning {
  readonly name: string;
  /** Has at least one endpoint; where there is a table, it has no say. */
  readonly service: ServiceView;
  readonly table: RouteTable | null;
  /** When discovery was told last that the name is called, monotonic milliseconds. */
  toldAt: number;
}

/** Spellings that are remembered; callers choose them. */
const mostSpellings = 1024;
/** How often discovery is told that a name is called, milliseconds: what was called last is watched the closest. */
const tellEveryMs = 2000;

/**
 * KnownNames remembers what each spelling of a name means, for as long as the snapshot holds: a call whose name is
 * known costs one look-up. Now and then it tells discovery that the name is in use.
 */
export class KnownNames {
  readonly #discovery: Discovery;
  #snapshot: Snapshot | null = null;
  /** Plain names mean themselves, authorities have several spellings: the same text may mean two things. */
  #byName: Map<string, Meaning> = new Map();
  #byAuthority: Map<string, Meaning> = new Map();

  constructor(discovery: Discovery) {
    this.#discovery = discovery;
  }

  /** What the call's name means; undefined while nothing can be called by it. */
  of({ arrival, snapshot }: Call): Meaning | undefined {
    if (snapshot !== this.#snapshot) {
      this.#snapshot = snapshot;
      this.#byName = new Map();
      this.#byAuthority = new Map();
    }
    const plain = arrival.words.service || arrival.port;
    const meaning =
      plain === ''
        ? (this.#byAuthority.get(arrival.authority) ??
          learn(this.#byAuthority, arrival.authority, nameInAuthority(arrival.authority).name, snapshot))
        : (this.#byName.get(plain) ?? learn(this.#byName, plain, plain, snapshot));
    if (meaning !== undefined && arrival.arrivedAt - meaning.toldAt >= tellEveryMs) {
      meaning.toldAt = arrival.arrivedAt;
      this.#discovery.want(meaning.name);
    }
    return meaning;
  }
}

const nobody: ServiceView = Object.freeze({ name: '', endpoints: Object.freeze([]), origin: '' });

const learn = (
  known: Map<string, Meaning>,
  spelling: string,
  name: string,
  { services, routes }: Snapshot,
): Meaning | undefined => {
  const table = routes.get(name) ?? null;
  const service = services.get(name);
  const isThere = table !== null || (service !== undefined && service.endpoints.length > 0);
  if (!isThere) return undefined;
  if (known.size >= mostSpellings) known.clear();
  const meaning: Meaning = { name, service: service ?? nobody, table, toldAt: Number.NEGATIVE_INFINITY };
  known.set(spelling, meaning);
  return meaning;
};

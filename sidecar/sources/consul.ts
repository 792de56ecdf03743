import type { ConnectEntry } from '../consul/answers.ts';
import type { ConsulDoor } from '../consul/door.ts';
import { ConsulError } from '../consul/errors.ts';
import { lossesOf } from '../consul/losses.ts';
import { pause } from '../consul/pause.ts';
import { watch } from '../consul/watch.ts';
import { Cell } from '../core/cell.ts';
import type { Address } from '../core/endpoint.ts';
import type { Kit } from '../core/kit.ts';
import type { Access, Intention, ServiceView, Slice } from '../core/snapshot.ts';
import { accessQuestion, notYet } from './access.ts';
import { addressesOf } from './addresses.ts';
import { Catalog } from './catalog.ts';
import type { Source } from './source.ts';

/** What the source `consul` needs. */
export interface ConsulSourceOptions {
  readonly door: ConsulDoor;
  /** The service beside us, whose intentions are watched; null for a pure caller. */
  readonly service: string | null;
  readonly kit: Kit;
  readonly signal: AbortSignal;
  /** Names near a mistyped one, for messages. */
  readonly near?: (name: string, known: Iterable<string>) => readonly string[];
}

/** Names that are watched at most; what an app asks for beyond is not watched. */
const mostNames = 512;
/** Of these, names that never had an instance: an app that makes names up must not crowd out those that exist. */
const mostUnseen = 64;
/** A name that never had an instance is given up when nobody wanted it for so long, milliseconds. */
const forgetMs = 300_000;
/** How long the first answer about an unknown name waits for the names near it, milliseconds. */
const nearMs = 300;

const plain = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** One name that is watched. */
interface Watched {
  readonly stop: AbortController;
  view: ServiceView | null;
  /** Had an instance once. */
  seen: boolean;
  wantedAt: number;
  /** Why there is no answer now, or null. */
  trouble: string | null;
}

/**
 * Snapshots from Consul: the instances of each service that was wanted, and the intentions on calls to us.
 *
 * Nothing is declared: the first call to a name starts its watch. Each name has a watch of its own, so that what
 * routers, splitters and subsets need can be watched beside it.
 */
export const consulSource = (options: ConsulSourceOptions): Source => new ConsulSource(options);

class ConsulSource implements Source {
  readonly slice: Cell<Slice>;
  readonly #options: ConsulSourceOptions;
  readonly #names: Map<string, Watched> = new Map();
  readonly #catalog: Catalog;
  readonly #stop: AbortController = new AbortController();
  readonly #close = (): void => this.close();
  #access: Access = notYet;
  #trouble: string | null = null;

  constructor(options: ConsulSourceOptions) {
    const { door, service, kit, signal } = options;
    this.#options = options;
    this.#catalog = new Catalog(door, kit.clock, this.#stop.signal);
    this.slice = new Cell(this.#whole());
    signal.addEventListener('abort', this.#close, { once: true });
    if (signal.aborted) this.close();
    else if (service !== null) this.#watchAccess(service);
    void this.#sweep();
  }

  want(name: string): void {
    const { kit } = this.#options;
    const known = this.#names.get(name);
    if (known !== undefined) {
      known.wantedAt = kit.clock.now();
      return;
    }
    if (this.#stop.signal.aborted || !plain.test(name)) return;
    const unseen = [...this.#names].filter(([, watched]) => !watched.seen);
    if (unseen.length >= mostUnseen) this.#forget(longestUnwanted(unseen));
    if (this.#names.size >= mostNames) {
      kit.meter.count('outrigger_watches_refused_total').value++;
      return;
    }
    this.#watchName(name);
  }

  describe(name: string): string {
    const { door, near } = this.#options;
    const asked = `Consul at ${door.url} was asked for /v1/health/connect/${name}?passing`;
    const watched = this.#names.get(name);
    if (watched === undefined)
      return `${asked.replace('was', 'was not')}: ${mostNames} other names are watched`;
    if (watched.trouble !== null) return `${asked} and did not answer (${watched.trouble})`;
    if (watched.view === null) return `${asked} and has not answered yet`;
    if (this.#catalog.names.has(name))
      return `${asked}: the service is registered, but no instance of it with a sidecar passes its checks`;
    const names = near?.(name, this.#catalog.names) ?? [];
    return `${asked}: it knows no such service${names.length === 0 ? '' : `; did you mean ${names.join(' or ')}?`}`;
  }

  trouble(): string | null {
    if (this.#trouble !== null) return this.#trouble;
    for (const { trouble } of this.#names.values()) if (trouble !== null) return trouble;
    return null;
  }

  close(): void {
    this.#options.signal.removeEventListener('abort', this.#close);
    this.#stop.abort();
    for (const { stop } of this.#names.values()) stop.abort();
  }

  #watchAccess(service: string): void {
    const { door, kit } = this.#options;
    void watch<Access>({
      kind: 'intentions',
      about: service,
      ask: accessQuestion(door, service, kit),
      hear: (access) => {
        this.#access = access;
        this.#publish();
      },
      trouble: (error) => {
        this.#trouble = error?.message ?? null;
      },
      losses: (held, now) => lossesOf(held.intentions.map(ruleOf), now.intentions.map(ruleOf)),
      mode: 'stale',
      polls: door.polls,
      kit,
      signal: this.#stop.signal,
    });
  }

  #watchName(name: string): void {
    const { door, kit } = this.#options;
    const stop = new AbortController();
    const watched: Watched = { stop, view: null, seen: false, wantedAt: kit.clock.now(), trouble: null };
    this.#names.set(name, watched);
    // Told when it is new: the same bad registration comes again with every answer.
    let told: ReadonlySet<string> = new Set();
    const usable = (entries: readonly ConnectEntry[]): Address[] => {
      const refused = new Set<string>();
      const addresses = addressesOf(name, entries, (reason, what) => {
        refused.add(what);
        if (told.has(what)) return;
        kit.meter.count('outrigger_addresses_refused_total', reason).value++;
        kit.log.warn({ service: name, reason }, `an address from Consul is not used: ${what}`);
      });
      told = refused;
      return addresses;
    };
    void watch<readonly Address[]>({
      kind: 'connect',
      about: name,
      ask: async (question) => {
        const answer = await door.connect(name, question);
        const value = usable(answer.value);
        // Nothing usable is not the same as nothing: it must not empty the list.
        if (value.length === 0 && answer.value.length > 0)
          throw new ConsulError(
            'garbage',
            `Consul at ${door.url}: none of the instances of '${name}' can be dialled`,
          );
        return { ...answer, value };
      },
      hear: (endpoints) => {
        const first = watched.view === null;
        watched.view = Object.freeze({ name, endpoints, origin: 'consul' });
        watched.seen ||= endpoints.length > 0;
        if (!first || watched.seen) this.#publish();
        else void this.#publishUnknown(stop.signal);
      },
      trouble: (error) => {
        watched.trouble = error?.message ?? null;
      },
      losses: (held, now) =>
        lossesOf(
          held.map(({ id }) => id),
          now.map(({ id }) => id),
        ),
      mode: 'stale',
      polls: door.polls,
      kit,
      signal: stop.signal,
    });
  }

  /** The first answer says that there is nobody: the waiting call is refused by it, and its message wants near names. */
  async #publishUnknown(signal: AbortSignal): Promise<void> {
    const limit = new AbortController();
    await Promise.race([this.#catalog.refresh(), pause(this.#options.kit, nearMs, limit.signal)]);
    limit.abort();
    if (!signal.aborted) this.#publish();
  }

  #whole(): Slice {
    const services = new Map<string, ServiceView>();
    const asked = new Map<string, boolean>();
    for (const [name, { view, seen }] of this.#names) {
      if (view === null) continue;
      services.set(name, view);
      asked.set(name, seen);
    }
    const access = this.#options.service === null ? {} : { access: this.#access };
    return { origin: 'consul', services, asked, ...access };
  }

  #publish(): void {
    this.slice.set(this.#whole());
  }

  #forget(name: string): void {
    this.#names.get(name)?.stop.abort();
    this.#names.delete(name);
  }

  async #sweep(): Promise<void> {
    const { kit } = this.#options;
    while (!this.#stop.signal.aborted) {
      await pause(kit, forgetMs / 5, this.#stop.signal);
      const before = this.#names.size;
      const old = kit.clock.now() - forgetMs;
      for (const [name, { seen, wantedAt }] of this.#names) if (!seen && wantedAt < old) this.#forget(name);
      if (this.#names.size < before && !this.#stop.signal.aborted) this.#publish();
    }
  }
}

/** An intention by what it is about. */
const ruleOf = ({ from, to }: Intention): string => `${from} ${to}`;

const longestUnwanted = (watched: readonly (readonly [string, Watched])[]): string =>
  watched.reduce((one, other) => (other[1].wantedAt < one[1].wantedAt ? other : one))[0];

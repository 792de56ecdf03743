import type { ConsulDoor } from '../consul/door.ts';
import { lossesOf } from '../consul/losses.ts';
import { pause } from '../consul/pause.ts';
import { watch } from '../consul/watch.ts';
import { Cell } from '../core/cell.ts';
import type { Kit } from '../core/kit.ts';
import type { PolicyRule } from '../core/policy.ts';
import type { RouteTable } from '../core/routes.ts';
import type { Access, Intention, ServiceView, Slice } from '../core/snapshot.ts';
import { accessQuestion, notYet } from './access.ts';
import { Catalog } from './catalog.ts';
import type { PatternFault } from './chain/match.ts';
import { Targets } from './chain/targets.ts';
import { Upstream } from './chain/upstream.ts';
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
  /** What is wrong with a pattern in a route; without it there is nobody to match them, and none is used. */
  readonly patternFault?: PatternFault;
}

/** Names that are watched at most; then the one that was called the longest ago goes. */
const mostNames = 200;
/** Of these, names that never had an instance: an app that makes names up must not crowd out those that exist. */
const mostUnseen = 64;
/** A name that never had an instance is given up when nobody wanted it for so long, milliseconds. */
const forgetUnseenMs = 300_000;
/** Any other one. */
const forgetMs = 600_000;
/** How often it is looked whether there is anything to give up, milliseconds. */
const sweepMs = 60_000;
/** How long the first answer about an unknown name waits for the names near it, milliseconds. */
const nearMs = 300;

const plain = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/**
 * Snapshots from Consul: for each name that was wanted its routes and the instances that they lead to, and the
 * intentions on calls to us.
 *
 * Nothing is declared: the first call to a name starts its watches.
 */
export const consulSource = (options: ConsulSourceOptions): Source => new ConsulSource(options);

class ConsulSource implements Source {
  readonly slice: Cell<Slice>;
  readonly #options: ConsulSourceOptions;
  readonly #names: Map<string, Upstream> = new Map();
  /** Names with an answer that says nobody, which waits for the names near them. */
  readonly #hushed: Set<string> = new Set();
  readonly #targets: Targets;
  readonly #catalog: Catalog;
  readonly #stop: AbortController = new AbortController();
  readonly #close = (): void => this.close();
  #isBusy: (service: string) => boolean = () => false;
  #access: Access = notYet;
  #trouble: string | null = null;

  constructor(options: ConsulSourceOptions) {
    const { door, service, kit, signal } = options;
    this.#options = options;
    this.#catalog = new Catalog(door, kit.clock, this.#stop.signal);
    this.#targets = new Targets({ door, kit, changed: () => this.#settle() });
    this.slice = new Cell(this.#whole());
    signal.addEventListener('abort', this.#close, { once: true });
    if (signal.aborted) this.close();
    else if (service !== null) this.#watchAccess(service);
    void this.#sweep();
  }

  want(name: string): void {
    const { kit, door } = this.#options;
    const known = this.#names.get(name);
    if (known !== undefined) {
      known.wantedAt = kit.clock.now();
      return;
    }
    if (this.#stop.signal.aborted || !plain.test(name)) return;
    const unseen = [...this.#names.values()].filter(({ seen }) => !seen);
    if (unseen.length >= mostUnseen) this.#forget(longestUnwanted(unseen));
    if (this.#names.size >= mostNames) this.#makeRoom();
    const { patternFault: faultOf = () => 'nobody here can match patterns' } = this.#options;
    const changed = (): void => this.#settle();
    this.#names.set(name, new Upstream(name, { door, kit, targets: this.#targets, faultOf, changed }));
  }

  heed(isBusy: (service: string) => boolean): void {
    this.#isBusy = isBusy;
  }

  describe(name: string): string {
    const { door, near } = this.#options;
    const upstream = this.#names.get(name);
    const table = upstream?.plan?.table ?? null;
    if (table !== null) {
      const keys = upstream!.targets.map(
        ({ question, view }) => `${question.key} (${view?.endpoints.length ?? 0})`,
      );
      return `Consul at ${door.url} was asked for /v1/discovery-chain/${name}, which leads to ${keys.join(', ')}`;
    }
    const asked = `Consul at ${door.url} was asked for /v1/health/connect/${name}?passing`;
    if (upstream === undefined) return `${asked.replace('was', 'was not')}: it is not watched`;
    const [target] = upstream.targets;
    const trouble = target?.trouble ?? null;
    if (trouble !== null) return `${asked} and did not answer (${trouble})`;
    if (upstream.plan === null) return `${asked} and has not answered yet`;
    if (this.#catalog.names.has(name))
      return `${asked}: the service is registered, but no instance of it with a sidecar passes its checks`;
    const names = near?.(name, this.#catalog.names) ?? [];
    return `${asked}: it knows no such service${names.length === 0 ? '' : `; did you mean ${names.join(' or ')}?`}`;
  }

  trouble(): string | null {
    return this.#trouble ?? this.#targets.trouble();
  }

  away(): boolean {
    // Intentions are asked of our own agent; a target may be in a datacenter that is cut off.
    return this.#options.service === null ? this.#targets.areAway() : this.#trouble !== null;
  }

  close(): void {
    this.#options.signal.removeEventListener('abort', this.#close);
    this.#stop.abort();
    for (const upstream of this.#names.values()) upstream.stop();
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

  /** Something about a target or a plan has changed. */
  #settle(): void {
    for (const upstream of this.#names.values()) {
      const isFirst = upstream.plan === null;
      upstream.settle();
      if (isFirst && upstream.plan !== null && !upstream.seen) void this.#nameNear(upstream);
    }
    this.#publish();
  }

  /** The first answer says that there is nobody: the waiting call is refused by it, and its message wants near names. */
  async #nameNear({ name }: Upstream): Promise<void> {
    this.#hushed.add(name);
    const limit = new AbortController();
    await Promise.race([this.#catalog.refresh(), pause(this.#options.kit, nearMs, limit.signal)]);
    limit.abort();
    this.#hushed.delete(name);
    if (!this.#stop.signal.aborted) this.#publish();
  }

  #whole(): Slice {
    const services = new Map<string, ServiceView>();
    const asked = new Map<string, boolean>();
    const routes = new Map<string, RouteTable | null>();
    const targets = new Map<string, ServiceView>();
    const unheeded = new Map<string, readonly string[]>();
    const policies: PolicyRule[] = [];
    for (const [name, upstream] of this.#names) {
      const { plan, seen } = upstream;
      if (plan === null || (this.#hushed.has(name) && !seen)) continue;
      asked.set(name, seen);
      routes.set(name, plan.table);
      if (plan.table === null) services.set(name, upstream.targets[0]!.shown);
      else for (const { question, shown } of upstream.targets) targets.set(question.key, shown);
      if (plan.unheeded.length > 0) unheeded.set(name, plan.unheeded);
      policies.push(...plan.policies);
    }
    const said = policies.length === 0 ? {} : { policies };
    const access = this.#options.service === null ? {} : { access: this.#access };
    return { origin: 'consul', services, asked, routes, targets, unheeded, ...said, ...access };
  }

  #publish(): void {
    this.slice.set(this.#whole());
  }

  /** Gives up one name for another: one that was made up before one that exists, one without calls before a busy one. */
  #makeRoom(): void {
    const all = [...this.#names.values()];
    const unseen = all.filter(({ seen }) => !seen);
    const idle = all.filter((upstream) => !this.#hasCalls(upstream));
    this.#forget(longestUnwanted([unseen, idle, all].find(({ length }) => length > 0)!));
    this.#options.kit.meter.count('outrigger_watches_dropped_total').value++;
  }

  #hasCalls({ targets }: Upstream): boolean {
    return targets.some(({ question }) => this.#isBusy(question.service));
  }

  #forget(name: string): void {
    this.#names.get(name)?.stop();
    this.#names.delete(name);
    this.#hushed.delete(name);
  }

  async #sweep(): Promise<void> {
    const { kit } = this.#options;
    while (!this.#stop.signal.aborted) {
      await pause(kit, sweepMs, this.#stop.signal);
      const before = this.#names.size;
      const now = kit.clock.now();
      for (const [name, upstream] of this.#names) {
        const keptMs = upstream.seen ? forgetMs : forgetUnseenMs;
        if (now - upstream.wantedAt <= keptMs) continue;
        // What is known of it could not be learned again: Consul is away.
        if (upstream.seen && upstream.targets.some(({ trouble }) => trouble !== null)) continue;
        // A stream that goes on is no new call, but its name is in use.
        if (this.#hasCalls(upstream)) upstream.wantedAt = now;
        else this.#forget(name);
      }
      if (this.#names.size < before && !this.#stop.signal.aborted) this.#publish();
    }
  }
}

/** An intention by what it is about. */
const ruleOf = ({ from, to }: Intention): string => `${from} ${to}`;

const longestUnwanted = (upstreams: readonly Upstream[]): string =>
  upstreams.reduce((one, other) => (other.wantedAt < one.wantedAt ? other : one)).name;

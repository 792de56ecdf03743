import type { Address } from '../../core/endpoint.ts';
import type { RouteTable } from '../../core/routes.ts';
import type { ServiceView, Snapshot } from '../../core/snapshot.ts';

/** A contract that somebody has. */
export interface Need {
  /** Instances that have it: who can be asked for it. */
  readonly holders: readonly Address[];
}

/** Instances that are remembered of one contract; each can answer for all. */
const mostHolders = 32;

/**
 * Announced is which contracts the instances of each name have, as the latest snapshot says. Looks into a list of instances
 * when it is another than before, and at no other time.
 */
export class Announced {
  readonly #ofView: WeakMap<ServiceView, readonly Address[]> = new WeakMap();
  #seen: Pick<Snapshot, 'services' | 'targets' | 'routes'> | null = null;
  #byName: ReadonlyMap<string, readonly string[]> = new Map();
  #needs: ReadonlyMap<string, Need> = new Map();

  /** Takes over what a snapshot says; false when that is nothing new. */
  look({ services, targets, routes }: Snapshot): boolean {
    const seen = this.#seen;
    if (seen?.services === services && seen.targets === targets && seen.routes === routes) return false;
    this.#seen = { services, targets, routes };
    const needs = new Map<string, { holders: Address[] }>();
    const byName = new Map<string, readonly string[]>();
    const add = (name: string, views: readonly ServiceView[]): void => {
      const hashes = new Set<string>();
      for (const view of views)
        for (const address of this.#holdersIn(view)) {
          const hash = address.contract!;
          hashes.add(hash);
          const need = needs.get(hash) ?? { holders: [] };
          if (need.holders.length === 0) needs.set(hash, need);
          if (need.holders.length < mostHolders) need.holders.push(address);
        }
      if (hashes.size > 0) byName.set(name, [...hashes].sort());
    };
    for (const [name, view] of services) add(name, [view]);
    // A name with routes is called like any other, and its calls end at one of its targets.
    for (const [name, table] of routes) if (table !== null) add(name, viewsOf(table, targets));
    this.#byName = byName;
    this.#needs = needs;
    return true;
  }

  /** The hashes that the instances of each name have, in order; names without any are left out. */
  byName(): ReadonlyMap<string, readonly string[]> {
    return this.#byName;
  }

  /** By hash. */
  needs(): ReadonlyMap<string, Need> {
    return this.#needs;
  }

  #holdersIn(view: ServiceView): readonly Address[] {
    let holders = this.#ofView.get(view);
    if (holders === undefined) {
      holders = view.endpoints.filter(({ contract }) => contract !== undefined);
      this.#ofView.set(view, holders);
    }
    return holders;
  }
}

/**
 * Where the calls to a name end. Nowhere, when a route rewrites their paths: policies go by the method as it is called,
 * contracts by the method as it arrives.
 */
const viewsOf = ({ rules }: RouteTable, targets: ReadonlyMap<string, ServiceView>): ServiceView[] => {
  if (rules.some(({ rewrite }) => rewrite !== null)) return [];
  const keys = new Set(rules.flatMap(({ legs }) => legs.flatMap((leg) => leg.targets)));
  return [...keys].flatMap((key) => targets.get(key) ?? []);
};

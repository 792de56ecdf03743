import { Cell } from '../core/cell.ts';
import type { Address } from '../core/endpoint.ts';
import type { PolicyRule } from '../core/policy.ts';
import type { Access, Intention, ServiceView, Slice } from '../core/snapshot.ts';
import type { Source } from './source.ts';

/** What a settings file says about the mesh. An absent part is another source's. */
export interface StaticWords {
  /** Service name to where its instances are; null where discovery is Consul's. */
  readonly services: Readonly<Record<string, readonly Address[]>> | null;
  /** Null where the file says nothing. */
  readonly intentions: readonly Intention[] | null;
  readonly flags: Readonly<Record<string, string>>;
  /** How calls are treated. */
  readonly policies?: readonly PolicyRule[];
}

/**
 * The slice that a file stands for.
 *
 * A file that lists services lets any verified caller in unless its intentions say otherwise; a file that only
 * has intentions, beside Consul, takes the place of Consul's, and lets in nobody else than they do.
 */
export const staticSlice = (words: StaticWords, origin = 'static'): Slice => {
  const { services, intentions, flags, policies = [] } = words;
  const slice: { -readonly [Part in keyof Slice]: Slice[Part] } = { origin };
  if (services !== null) {
    const views = Object.entries(services).map(([name, endpoints]): [string, ServiceView] => [
      name,
      { name, endpoints, origin },
    ]);
    slice.services = new Map(views);
    slice.asked = new Map(views.map(([name, { endpoints }]) => [name, endpoints.length > 0]));
  }
  if (services !== null || intentions !== null) slice.access = accessOf(intentions ?? [], services !== null);
  if (Object.keys(flags).length > 0) slice.flags = new Map(Object.entries(flags));
  if (policies.length > 0) slice.policies = policies;
  return slice;
};

const accessOf = (intentions: readonly Intention[], allowByDefault: boolean): Access => ({
  intentions: [...intentions].sort((one, other) => rank(other) - rank(one)),
  allowByDefault,
  because: allowByDefault ? 'static discovery lets any verified caller in' : 'the file lists who may call',
});

/** Consul's order: an exact destination counts more than an exact source. */
const rank = ({ from, to }: Intention): number => (to === '*' ? 0 : 2) + (from === '*' ? 0 : 1);

/** A source that never changes: settings that were handed over, not read from a file. */
export const staticSource = (words: StaticWords): Source => {
  const slice = new Cell(staticSlice(words));
  return {
    slice,
    want: () => {},
    describe: (service) => describeStatic(slice.value, service, 'the settings'),
    trouble: () => null,
    close: () => {},
  };
};

/** Why a static slice has no instance of `service`. */
export const describeStatic = ({ services }: Slice, service: string, place: string): string =>
  services?.has(service)
    ? `${place} list no instance of '${service}'`
    : `${place} have no '${service}' under discovery.static.services`;

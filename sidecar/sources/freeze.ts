import { isDeepStrictEqual } from 'node:util';
import type { Address } from '../core/endpoint.ts';
import type { Access, ServiceView } from '../core/snapshot.ts';

const refuse = (): never => {
  throw new TypeError('a snapshot is never edited: sources make a new slice');
};

/** A map that cannot be edited any more; Object.freeze alone would leave `set` working. */
export const frozenMap = <K, V>(entries: Iterable<readonly [K, V]>): ReadonlyMap<K, V> => {
  const locked = { value: refuse };
  return Object.freeze(
    Object.defineProperties(new Map(entries), { set: locked, delete: locked, clear: locked }),
  );
};

/** `next`, but every service that is as before is the very object from before: readers may compare by identity. */
export const frozenServices = (
  before: ReadonlyMap<string, ServiceView>,
  next: ReadonlyMap<string, ServiceView>,
): ReadonlyMap<string, ServiceView> => {
  let same = before.size === next.size;
  const views: [string, ServiceView][] = [];
  for (const [name, view] of next) {
    const known = before.get(name);
    const kept = known !== undefined && isDeepStrictEqual(known, view);
    same &&= kept;
    views.push([name, kept ? known : frozenView(view)]);
  }
  return same ? before : frozenMap(views);
};

const frozenView = (view: ServiceView): ServiceView =>
  Object.freeze({ ...view, endpoints: Object.freeze(view.endpoints.map(frozenAddress)) });

const frozenAddress = (address: Address): Address => Object.freeze({ ...address });

/** `next` frozen, or `before` when it says the same. */
export const frozenAccess = (before: Access, next: Access): Access =>
  isDeepStrictEqual(before, next)
    ? before
    : Object.freeze({
        ...next,
        intentions: Object.freeze(next.intentions.map((intention) => deepFrozen(structuredClone(intention)))),
      });

/** `next` frozen, or `before` when it says the same. */
export const frozenWords = <V>(
  before: ReadonlyMap<string, V>,
  next: ReadonlyMap<string, V>,
): ReadonlyMap<string, V> => {
  if (before.size !== next.size) return frozenMap(next);
  for (const [key, value] of next) if (!before.has(key) || before.get(key) !== value) return frozenMap(next);
  return before;
};

/** `next` frozen all the way down, but every entry that says the same as before is the very object from before. */
export const frozenEntries = <V>(
  before: ReadonlyMap<string, V>,
  next: ReadonlyMap<string, V>,
): ReadonlyMap<string, V> => {
  let same = before.size === next.size;
  const entries: [string, V][] = [];
  for (const [name, value] of next) {
    const known = before.get(name);
    const kept = known !== undefined && isDeepStrictEqual(known, value);
    same &&= kept;
    entries.push([name, kept ? known : deepFrozen(structuredClone(value))]);
  }
  return same ? before : frozenMap(entries);
};

const deepFrozen = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null) for (const part of Object.values(value)) deepFrozen(part);
  return Object.freeze(value);
};

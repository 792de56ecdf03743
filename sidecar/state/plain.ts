import type { Slice } from '../core/snapshot.ts';

/** How a map is written: JSON has none. */
interface PlainMap {
  readonly $map: readonly (readonly [string, unknown])[];
}

/** A slice as JSON text, whatever parts it has: maps, lists, words and numbers all the way down. */
export const writeSlice = (slice: Slice): string => JSON.stringify(slice, (_, value) => plain(value));

const plain = (value: unknown): unknown =>
  value instanceof Map ? ({ $map: [...value] } satisfies PlainMap) : value;

/** The slice that `writeSlice` wrote. Throws when it is none. */
export const readSlice = (text: string): Slice => {
  const slice = JSON.parse(text, (_, value) => (isPlainMap(value) ? new Map(value.$map) : value)) as Slice;
  if (typeof slice.origin !== 'string') throw new Error('it is no slice');
  for (const part of ['services', 'asked'] as const)
    if (slice[part] !== undefined && !(slice[part] instanceof Map)) throw new Error(`'${part}' is no map`);
  if (slice.access !== undefined && !Array.isArray(slice.access.intentions))
    throw new Error("'access' has no intentions");
  return slice;
};

const isPlainMap = (value: unknown): value is PlainMap =>
  typeof value === 'object' && value !== null && Array.isArray((value as Partial<PlainMap>).$map);

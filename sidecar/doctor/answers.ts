/** Reads into an answer of any shape: the value below `keys`, or undefined. What Consul leaves out is no fault here. */
export const below = (value: unknown, ...keys: readonly (string | number)[]): unknown =>
  keys.reduce<unknown>(
    (at, key) =>
      typeof at === 'object' && at !== null ? (at as Record<string | number, unknown>)[key] : undefined,
    value,
  );

/** The items of a list, or of a mapping's values; none of anything else. */
export const items = (value: unknown): readonly unknown[] => {
  if (Array.isArray(value)) return value;
  return typeof value === 'object' && value !== null ? Object.values(value) : [];
};

/** A text, or '' for anything else. */
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** A number, or 0 for anything else. */
export const numberOf = (value: unknown): number => (typeof value === 'number' ? value : 0);

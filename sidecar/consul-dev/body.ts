import { Refusal } from './refusal.ts';

/** What a field of a body may hold. */
type FieldKind = 'text' | 'number' | 'flag' | 'texts' | 'object' | 'objects' | 'map' | 'duration';

/** Names of fields as Consul writes them, with what each holds. */
export type Fields = Readonly<Record<string, FieldKind>>;

/** A body whose fields have their proper names. */
export type Body = Readonly<Record<string, unknown>>;

/**
 * Reads an object by a table of fields. Case and underscores do not matter, as in Consul (`alias_service` is
 * `AliasService`); an unknown field or a wrong type is refused in the words of Go's decoder.
 */
export const readFields = (value: unknown, fields: Fields): Body => {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw decode(`json: cannot unmarshal ${nameOf(value)} into Go value of type object`);
  const names = new Map(Object.keys(fields).map((name) => [plain(name), name]));
  const read: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value)) {
    const name = names.get(plain(key));
    if (name === undefined) throw decode(`json: unknown field "${key}"`);
    if (field === null) continue;
    if (!fits(field, fields[name]!))
      throw decode(`json: cannot unmarshal ${nameOf(field)} into Go struct field .${name} (${fields[name]})`);
    read[name] = field;
  }
  return read;
};

const decode = (text: string): Refusal => new Refusal(400, `Request decode failed: ${text}`);

const plain = (name: string): string => name.replaceAll('_', '').toLowerCase();

const nameOf = (value: unknown): string => {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
};

const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const fits = (value: unknown, kind: FieldKind): boolean => {
  switch (kind) {
    case 'text':
      return typeof value === 'string';
    case 'number':
      return Number.isInteger(value);
    case 'flag':
      return typeof value === 'boolean';
    case 'texts':
      return Array.isArray(value) && value.every((one) => typeof one === 'string');
    case 'object':
      return isObject(value);
    case 'objects':
      return Array.isArray(value) && value.every(isObject);
    case 'map':
      return isObject(value) && Object.values(value as object).every((one) => typeof one === 'string');
    case 'duration':
      return typeof value === 'string' || typeof value === 'number';
  }
};

/**
 * A value of metadata: text, or octets where the name ends in `-bin`.
 *
 * @example
 * const token: MetadataValue = Buffer.from([1, 2, 3]);
 * await inventory.reserve({ sku: 'oar' }, { metadata: { 'x-token-bin': token } });
 */
export type MetadataValue = string | Buffer;

/**
 * Metadata as it is written down: a name has one value, or several.
 *
 * @example
 * const tags: MetadataInit = { 'x-tenant': 'north', 'x-tag': ['a', 'b'] };
 * await inventory.reserve({ sku: 'oar' }, { metadata: tags });
 */
export type MetadataInit =
  | Metadata
  | Readonly<Record<string, MetadataValue | readonly MetadataValue[] | undefined>>;

/**
 * Metadata is what goes before a call's messages (headers) or behind them (trailers). Names are lower case; a name may
 * have several values, in order.
 *
 * @example
 * const metadata = new Metadata({ 'x-tenant': 'north' });
 * metadata.append('x-tag', 'a');
 */
export class Metadata {
  readonly #values: Map<string, MetadataValue[]> = new Map();

  /** Throws a TypeError for names and values that HTTP/2 cannot carry. */
  constructor(init: MetadataInit = {}) {
    if (isMetadata(init)) for (const [name, value] of init) this.append(name, value);
    else
      for (const [name, value] of Object.entries(init))
        for (const each of Array.isArray(value) ? value : value === undefined ? [] : [value])
          this.append(name, each as MetadataValue);
  }

  /** The first value of a name. */
  get(name: string): MetadataValue | undefined {
    return this.#values.get(name.toLowerCase())?.[0];
  }

  /** The first value of a name as text; empty when there is none, or when it is octets. */
  text(name: string): string {
    const value = this.get(name);
    return typeof value === 'string' ? value : '';
  }

  getAll(name: string): readonly MetadataValue[] {
    return this.#values.get(name.toLowerCase()) ?? [];
  }

  has(name: string): boolean {
    return this.#values.has(name.toLowerCase());
  }

  /** Puts `value` in the place of all that the name had. */
  set(name: string, value: MetadataValue): this {
    this.#values.set(checked(name, value), [value]);
    return this;
  }

  /** Adds `value` behind what the name has. */
  append(name: string, value: MetadataValue): this {
    const key = checked(name, value);
    const values = this.#values.get(key);
    if (values === undefined) this.#values.set(key, [value]);
    else values.push(value);
    return this;
  }

  delete(name: string): this {
    this.#values.delete(name.toLowerCase());
    return this;
  }

  *[Symbol.iterator](): IterableIterator<[name: string, value: MetadataValue]> {
    for (const [name, values] of this.#values) for (const value of values) yield [name, value];
  }
}

/** One of another copy of this package is one too. */
const isMetadata = (init: MetadataInit): init is Metadata => Symbol.iterator in init;

const namePattern = /^[0-9a-z_.-]+$/;
/** Ref: gRPC over HTTP/2, "Custom-Metadata": ASCII-Value is space and the printable characters. */
const textPattern = /^[ -~]*$/;

/** The name as it is kept. */
const checked = (name: string, value: MetadataValue): string => {
  const key = name.toLowerCase();
  if (!namePattern.test(key)) throw new TypeError(`metadata cannot have the name ${JSON.stringify(name)}`);
  const isBinary = key.endsWith('-bin');
  if (isBinary !== Buffer.isBuffer(value))
    throw new TypeError(
      isBinary
        ? `metadata '${key}' takes a Buffer, because its name ends in -bin`
        : `metadata '${key}' takes text; octets need a name that ends in -bin`,
    );
  if (typeof value === 'string' && !textPattern.test(value))
    throw new TypeError(
      `metadata '${key}' takes printable ASCII, not ${JSON.stringify(value.slice(0, 40))}: encode it, or give the name -bin and send a Buffer`,
    );
  return key;
};

import { encodeHuffman, huffmanLength } from '../../wire/hpack/huffman.ts';
import { entryOverhead, firstDynamic, staticTable } from '../../wire/hpack/static-table.ts';
import type { Connection } from '../../wire/index.ts';

/** What is known of one field name. */
interface Name {
  readonly staticIndex: number;
  readonly staticValues: Map<string, number>;
  /** Value to the number of its insertion. */
  readonly inserted: Map<string, number>;
  /** Number of the newest insertion under this name, or -1. */
  newest: number;
}

interface Entry {
  readonly name: Name;
  readonly value: string;
  readonly size: number;
}

const tableBytes = 4096;

/**
 * IndexingEncoder writes header blocks as grpc-go does: every field that is not in the table is a literal *with*
 * incremental indexing, Huffman-coded where that is shorter. What differs in each call churns the proxy's table,
 * so a cache of whole header blocks gains nothing. Ref: RFC 7541 section 6.2.1.
 */
export class IndexingEncoder {
  readonly #names: Map<string, Name> = new Map();
  readonly #entries: Entry[] = [];
  #oldest = 0;
  #insertions = 0;
  #size = 0;

  constructor() {
    staticTable.forEach(([text, value], index) => {
      if (index === 0) return;
      const name = this.#name(text, index);
      if (value !== '') name.staticValues.set(value, index);
    });
  }

  /** Part of the engine's interface; peers of the bench leave the table at its default of 4,096 octets or above. */
  resize(bytes: number): void {
    if (bytes < tableBytes) throw new Error(`a proxy asked for a header table of ${bytes} octets`);
  }

  /** Writes one block into `out` at `at`; answers the position behind it. */
  encode(fields: readonly string[], _never: readonly string[] | null, out: Buffer, at: number): number {
    for (let i = 0; i < fields.length; i += 2) at = this.#field(fields[i]!, fields[i + 1]!, out, at);
    return at;
  }

  #field(text: string, value: string, out: Buffer, at: number): number {
    const name = this.#name(text, 0);
    const fixed = name.staticValues.get(value);
    if (fixed !== undefined) return putInteger(out, at, 0x80, 0x7f, fixed);
    const known = name.inserted.get(value);
    if (known !== undefined) return putInteger(out, at, 0x80, 0x7f, this.#index(known));
    let index = name.staticIndex;
    if (index === 0 && name.newest >= this.#oldest) index = this.#index(name.newest);
    at = putInteger(out, at, 0x40, 0x3f, index);
    if (index === 0) at = putString(out, at, text);
    at = putString(out, at, value);
    this.#insert(name, value, text.length + value.length + entryOverhead);
    return at;
  }

  #index(insertion: number): number {
    return firstDynamic + this.#insertions - 1 - insertion;
  }

  #insert(name: Name, value: string, size: number): void {
    while (this.#size + size > tableBytes) {
      const entry = this.#entries.shift()!;
      this.#size -= entry.size;
      if (entry.name.inserted.get(entry.value) === this.#oldest) entry.name.inserted.delete(entry.value);
      this.#oldest++;
    }
    this.#entries.push({ name, value, size });
    this.#size += size;
    name.newest = this.#insertions;
    name.inserted.set(value, this.#insertions++);
  }

  #name(text: string, staticIndex: number): Name {
    let name = this.#names.get(text);
    if (name === undefined) {
      name = { staticIndex, staticValues: new Map(), inserted: new Map(), newest: -1 };
      this.#names.set(text, name);
    }
    return name;
  }
}

/** Lets a connection of ours speak as grpc-go does. Before its first call. */
export const indexEverything = (connection: Connection): void => {
  const output = connection.output as unknown as { encoder: IndexingEncoder };
  output.encoder = new IndexingEncoder();
};

/** Ref: RFC 7541 section 5.1. */
const putInteger = (out: Buffer, at: number, pattern: number, mask: number, value: number): number => {
  if (value < mask) {
    out[at] = pattern | value;
    return at + 1;
  }
  out[at++] = pattern | mask;
  for (value -= mask; value >= 0x80; value >>>= 7) out[at++] = (value & 0x7f) | 0x80;
  out[at++] = value;
  return at;
};

/** Ref: RFC 7541 section 5.2. */
const putString = (out: Buffer, at: number, text: string): number => {
  const coded = huffmanLength(text);
  if (coded < text.length) return encodeHuffman(text, out, putInteger(out, at, 0x80, 0x7f, coded));
  at = putInteger(out, at, 0, 0x7f, text.length);
  for (let i = 0; i < text.length; i++) out[at++] = text.charCodeAt(i);
  return at;
};

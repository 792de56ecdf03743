import { writeLatin1 } from '../latin1.ts';
import { encodeHuffman, huffmanLength } from './huffman.ts';
import { entryOverhead, firstDynamic, staticTable } from './static-table.ts';

/**
 * Fields that repeat from call to call on one connection, so that an entry in the peer's table pays. What differs
 * in each call (ids, traces, timeouts) would only push these out.
 */
const repeating: readonly string[] = [
  ':authority',
  ':method',
  ':path',
  ':scheme',
  ':status',
  'content-type',
  'te',
  'user-agent',
  'grpc-accept-encoding',
  'grpc-encoding',
  'accept-encoding',
  'grpc-status',
  'x-outrigger-caller',
  'x-outrigger-reached',
  'server',
];

/** Values longer than this are not worth an eighth of the table. */
const longestIndexed = 512;

/** What every encoder knows of one field name. */
interface Name {
  /** Index in the static table of the name alone, or 0. */
  readonly staticIndex: number;
  /** Value to index in the static table, where name and value both stand there. */
  readonly staticValues: ReadonlyMap<string, number>;
  /** Its place among the repeating names, or -1. */
  readonly place: number;
}

const makeName = (name: string): Name => {
  const staticValues = new Map<string, number>();
  let staticIndex = 0;
  staticTable.forEach(([staticName, value], index) => {
    if (index === 0 || staticName !== name) return;
    if (staticIndex === 0) staticIndex = index;
    if (value !== '') staticValues.set(value, index);
  });
  return { staticIndex, staticValues, place: repeating.indexOf(name) };
};

/** Names with something to look up; others are literals. One for all encoders: it would be most of an idle connection. */
const names: ReadonlyMap<string, Name> = new Map(
  [...staticTable.map(([name]) => name), ...repeating]
    .filter((name) => name !== '')
    .map((name) => [name, makeName(name)]),
);

/** The encoder's table at its largest; a peer that offers more is not taken up on it. */
const tableBytes = 4096;

/**
 * Encoder turns fields into header blocks, and keeps the dynamic table of one direction of one connection.
 * Strings are octets as latin1. Ref: RFC 7541.
 */
export class Encoder {
  /** For each repeating name: value to the number of its insertion into the dynamic table. */
  readonly #inserted: (Map<string, number> | undefined)[] = [];
  /** Entries from the oldest: name, value, size. */
  readonly #entries: { name: Name; value: string; size: number; number: number }[] = [];
  #insertions = 0;
  #size = 0;
  #capacity = tableBytes;
  /** Smallest and newest size to announce at the next block, or -1. Ref: RFC 7541 section 4.2. */
  #announceSmallest = -1;
  #announce = -1;

  /** The peer's SETTINGS_HEADER_TABLE_SIZE arrived. Announced at the beginning of the next block. */
  resize(bytes: number): void {
    const capacity = Math.min(bytes, tableBytes);
    if (capacity === this.#capacity) return;
    this.#announceSmallest = this.#announce < 0 ? capacity : Math.min(this.#announceSmallest, capacity);
    this.#announce = capacity;
    this.#capacity = capacity;
    this.#evict(capacity);
  }

  /** Octets that `encode` needs at most. */
  static bound(fields: readonly string[]): number {
    let bytes = 16;
    for (let i = 0; i < fields.length; i++) bytes += fields[i]!.length + 6;
    return bytes;
  }

  /** Writes one block of `fields` into `out` at `at`; answers the position behind it. */
  encode(fields: readonly string[], never: readonly string[] | null, out: Buffer, at: number): number {
    if (this.#announce >= 0) {
      if (this.#announceSmallest < this.#announce)
        at = putInteger(out, at, 0x20, 0x1f, this.#announceSmallest);
      at = putInteger(out, at, 0x20, 0x1f, this.#announce);
      this.#announce = -1;
    }
    for (let i = 0; i < fields.length; i += 2) {
      const text = fields[i]!;
      const value = fields[i + 1]!;
      const name = names.get(text);
      if (never?.includes(text)) at = this.#literal(text, name, value, 0x10, out, at);
      else if (name === undefined) at = this.#literal(text, name, value, 0, out, at);
      else at = this.#known(text, name, value, out, at);
    }
    return at;
  }

  #known(text: string, name: Name, value: string, out: Buffer, at: number): number {
    if (name.place >= 0) {
      const inserted = this.#inserted[name.place]?.get(value);
      if (inserted !== undefined)
        return putInteger(out, at, 0x80, 0x7f, firstDynamic + this.#insertions - 1 - inserted);
    }
    const index = name.staticValues.get(value);
    if (index !== undefined) {
      out[at] = 0x80 | index;
      return at + 1;
    }
    if (name.place < 0 || value.length > longestIndexed) return this.#literal(text, name, value, 0, out, at);
    return this.#index(text, name, value, out, at);
  }

  #index(text: string, name: Name, value: string, out: Buffer, at: number): number {
    const size = text.length + value.length + entryOverhead;
    if (size > this.#capacity) return this.#literal(text, name, value, 0, out, at);
    at = putInteger(out, at, 0x40, 0x3f, name.staticIndex);
    if (name.staticIndex === 0) at = putCoded(out, at, text);
    at = putCoded(out, at, value);
    this.#evict(this.#capacity - size);
    this.#entries.push({ name, value, size, number: this.#insertions });
    const inserted = (this.#inserted[name.place] ??= new Map());
    inserted.set(value, this.#insertions++);
    this.#size += size;
    return at;
  }

  #literal(
    text: string,
    name: Name | undefined,
    value: string,
    kind: number,
    out: Buffer,
    at: number,
  ): number {
    const index = name === undefined ? 0 : name.staticIndex;
    at = putInteger(out, at, kind, 0x0f, index);
    if (index === 0) at = putPlain(out, at, text);
    return putPlain(out, at, value);
  }

  #evict(room: number): void {
    while (this.#entries.length > 0 && this.#size > room) {
      const entry = this.#entries.shift()!;
      const inserted = this.#inserted[entry.name.place];
      if (inserted?.get(entry.value) === entry.number) inserted.delete(entry.value);
      this.#size -= entry.size;
    }
  }
}

/** Ref: RFC 7541 section 5.1. */
const putInteger = (out: Buffer, at: number, pattern: number, mask: number, value: number): number => {
  if (value < mask) {
    out[at] = pattern | value;
    return at + 1;
  }
  out[at++] = pattern | mask;
  value -= mask;
  while (value >= 0x80) {
    out[at++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  out[at++] = value;
  return at;
};

/** Below this a loop beats the call into native code. */
const shortString = 24;

const putPlain = (out: Buffer, at: number, text: string): number => {
  const length = text.length;
  at = putInteger(out, at, 0, 0x7f, length);
  if (length >= shortString) writeLatin1(out, text, at, length);
  else for (let i = 0; i < length; i++) out[at + i] = text.charCodeAt(i);
  return at + length;
};

/** Huffman where it is shorter: worth its time for what is sent once and referred to ever after. */
const putCoded = (out: Buffer, at: number, text: string): number => {
  const length = huffmanLength(text);
  if (length >= text.length) return putPlain(out, at, text);
  return encodeHuffman(text, out, putInteger(out, at, 0x80, 0x7f, length));
};

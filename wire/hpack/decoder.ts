import { readLatin1 } from '../latin1.ts';
import { decodeHuffman } from './huffman.ts';
import { entryOverhead, firstDynamic, staticTable } from './static-table.ts';

/** A line of a table: what a block may refer to. */
interface Entry {
  readonly name: string;
  readonly value: string;
  /** Set when an octet stands in it that no field may have (RFC 9113 section 8.2.1). */
  readonly bad: boolean;
  /** What it counts in the table: its octets as they came, and the overhead. */
  readonly size: number;
}

const statics: readonly Entry[] = staticTable.map(([name, value]) => ({ name, value, bad: false, size: 0 }));

/** The table size that we announce; SETTINGS_HEADER_TABLE_SIZE's default. Ref: RFC 9113 section 6.5.2. */
export const tableBytes = 4096;
/** No entry is smaller than its overhead, so no more than these fit. */
const ringSize = tableBytes / entryOverhead;

/** Octets that a field name may have: visible ASCII without upper case; a colon only in front. */
const nameOctets = new Uint8Array(256);
for (let octet = 0x21; octet < 0x7f; octet++) nameOctets[octet] = octet >= 0x41 && octet <= 0x5a ? 0 : 1;

const nothing: Buffer = Buffer.alloc(0);
const scratchBytes = 4096;

/** How much of a header list is wanted. */
export interface HeaderBounds {
  /** Octets of names and values plus 32 per field. */
  readonly headerListBytes: number;
  readonly headerFields: number;
}

/**
 * Decoder turns header blocks into fields, and keeps the dynamic table of one direction of one connection.
 *
 * After `decode` answered true the fields below describe the block, until the next one. Ref: RFC 7541.
 */
export class Decoder {
  /** Name, value, name, value; a fresh list for each block. Octets as latin1. */
  fields: string[] = [];
  /** Names that came as never-indexed literals (RFC 7541 section 6.2.3), or null. */
  never: string[] | null = null;
  /** A name or value holds an octet that RFC 9113 section 8.2.1 forbids. */
  malformed = false;
  /** The list broke its bounds; `fields` stops there, the table is as if it had not. */
  tooLarge = false;

  readonly #bounds: HeaderBounds;
  readonly #ring: (Entry | undefined)[] = new Array(ringSize);
  #newest = 0;
  #count = 0;
  #size = 0;
  #capacity = tableBytes;
  #listBytes = 0;

  #buffer: Buffer = nothing;
  #at = 0;
  #end = 0;
  #broken = false;
  #badString = false;
  /** Octets of the latest string, white space around a value included. */
  #octets = 0;
  /** Where Huffman strings are written out; grown when needed. */
  #scratch: Buffer = Buffer.allocUnsafe(scratchBytes);

  constructor(bounds: HeaderBounds) {
    this.#bounds = bounds;
  }

  /** Decodes the block `buffer[start, end)`. False: the block is broken, and with it the connection (COMPRESSION_ERROR). */
  decode(buffer: Buffer, start: number, end: number): boolean {
    this.fields = [];
    this.never = null;
    this.malformed = false;
    this.tooLarge = false;
    this.#listBytes = 0;
    this.#buffer = buffer;
    this.#at = start;
    this.#end = end;
    this.#broken = false;
    let resizable = true; // size updates stand only at the beginning of a block (RFC 7541 section 4.2)
    while (this.#at < end && !this.#broken) {
      const octet = buffer[this.#at]!;
      if ((octet & 0xe0) === 0x20) {
        if (!resizable) this.#broken = true;
        this.#resize(this.#integer(0x1f));
        continue;
      }
      resizable = false;
      if (octet & 0x80) this.#indexed();
      else this.#literal(octet);
    }
    this.#buffer = nothing; // a chunk of the socket must not live on here
    if (this.#scratch.length > scratchBytes) this.#scratch = Buffer.allocUnsafe(scratchBytes);
    return !this.#broken;
  }

  #indexed(): void {
    const entry = this.#entry(this.#integer(0x7f));
    if (entry === undefined) return;
    if (entry.bad) this.malformed = true;
    this.#collect(entry.name, entry.value);
  }

  #literal(octet: number): void {
    const indexing = (octet & 0x40) !== 0;
    const index = this.#integer(indexing ? 0x3f : 0x0f);
    let name: string;
    let bad = false;
    if (index === 0) {
      name = this.#string(true);
      bad = this.#badString;
    } else {
      const entry = this.#entry(index);
      if (entry === undefined) return;
      name = entry.name;
      bad = entry.bad;
    }
    if (this.#broken) return;
    const value = this.#string(false, name.charCodeAt(0) !== colon);
    if (this.#broken) return;
    bad = bad || this.#badString;
    if (bad) this.malformed = true;
    const size = name.length + this.#octets + entryOverhead;
    if (indexing) this.#insert({ name, value, bad, size });
    else if (octet & 0x10) {
      if (this.never === null) this.never = [name];
      else this.never.push(name);
    }
    this.#collect(name, value);
  }

  #collect(name: string, value: string): void {
    this.#listBytes += name.length + value.length + entryOverhead;
    if (this.#listBytes > this.#bounds.headerListBytes || this.fields.length >= 2 * this.#bounds.headerFields)
      this.tooLarge = true;
    else this.fields.push(name, value);
  }

  #entry(index: number): Entry | undefined {
    let entry: Entry | undefined;
    if (index < firstDynamic) entry = index === 0 ? undefined : statics[index];
    else if (index - firstDynamic < this.#count)
      entry = this.#ring[(this.#newest - (index - firstDynamic) + ringSize) % ringSize];
    if (entry === undefined) this.#broken = true;
    return entry;
  }

  #insert(entry: Entry): void {
    this.#evict(this.#capacity - entry.size);
    if (entry.size > this.#capacity) return;
    this.#newest = (this.#newest + 1) % ringSize;
    this.#ring[this.#newest] = entry;
    this.#count++;
    this.#size += entry.size;
  }

  #evict(room: number): void {
    while (this.#count > 0 && this.#size > room) {
      const oldest = (this.#newest - this.#count + 1 + ringSize) % ringSize;
      const entry = this.#ring[oldest]!;
      this.#size -= entry.size;
      this.#ring[oldest] = undefined;
      this.#count--;
    }
  }

  #resize(capacity: number): void {
    if (capacity > tableBytes) {
      this.#broken = true;
      return;
    }
    this.#capacity = capacity;
    this.#evict(capacity);
  }

  /** An integer with `mask`'s bits as prefix, at most four octets behind it. Ref: RFC 7541 section 5.1. */
  #integer(mask: number): number {
    const buffer = this.#buffer;
    let value = buffer[this.#at++]! & mask;
    if (value < mask) return value;
    for (let shift = 0; shift < 28; shift += 7) {
      if (this.#at >= this.#end) break;
      const octet = buffer[this.#at++]!;
      value += (octet & 0x7f) * 2 ** shift;
      if (octet < 0x80) return value;
    }
    this.#broken = true;
    return 0;
  }

  /** A string literal; sets #badString when it holds what a name or a value may not. Ref: RFC 7541 section 5.2. */
  #string(isName: boolean, trims = false): string {
    this.#badString = false;
    if (this.#at >= this.#end) {
      this.#broken = true;
      return '';
    }
    const coded = (this.#buffer[this.#at]! & 0x80) !== 0;
    const length = this.#integer(0x7f);
    const start = this.#at;
    const end = start + length;
    if (this.#broken || end > this.#end) {
      this.#broken = true;
      return '';
    }
    this.#at = end;
    if (!coded) return this.#text(this.#buffer, start, end, isName, trims);
    if (this.#scratch.length < length * 2) this.#scratch = Buffer.allocUnsafe(length * 2);
    const decoded = decodeHuffman(this.#buffer, start, end, this.#scratch);
    if (decoded >= 0) return this.#text(this.#scratch, 0, decoded, isName, trims);
    this.#broken = true;
    return '';
  }

  /**
   * The octets as text, after a look at them. White space around a value is taken off, as gRPC allows ("it may be
   * stripped"): servers send messages that end in a space, and to refuse them (RFC 9113 section 8.2.1) would lose their status.
   */
  #text(buffer: Buffer, start: number, end: number, isName: boolean, trims: boolean): string {
    this.#octets = end - start;
    if (isName) this.#badString = badName(buffer, start, end);
    else {
      const from = start;
      const to = end;
      while (start < end && isSpace(buffer[start]!)) start++;
      while (end > start && isSpace(buffer[end - 1]!)) end--;
      // A path or an authority is used as it stands or not at all.
      this.#badString = (!trims && (start > from || end < to)) || badValue(buffer, start, end);
    }
    return readLatin1(buffer, start, end);
  }
}

const colon = 0x3a;

const isSpace = (octet: number): boolean => octet === 0x20 || octet === 0x09;

const badName = (buffer: Buffer, start: number, end: number): boolean => {
  if (start === end) return true;
  for (let i = start; i < end; i++) {
    const octet = buffer[i]!;
    if (nameOctets[octet] === 0 || (octet === 0x3a && i > start)) return true;
  }
  return false;
};

const badValue = (buffer: Buffer, start: number, end: number): boolean => {
  for (let i = start; i < end; i++) {
    const octet = buffer[i]!;
    if (octet < 0x0e && (octet === 0 || octet === 0x0a || octet === 0x0d)) return true;
  }
  return false;
};

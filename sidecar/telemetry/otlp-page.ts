import { hexDigitAt } from '../core/hex-digit.ts';

const pageOctets = 65_536;
/** A batch of 512 spans fills four. */
const sparePages = 8;
/** Octets of a length where none is written yet; longer messages are moved by what it takes more. */
const lengthOctets = 1;
/** Up to here it is faster to write letter by letter than to cross into C++. */
const shortText = 40;

/**
 * Fields of protobuf, one behind the other in pages of 64 KiB. Who writes makes room first; nothing is checked after.
 * Ref: protobuf "Encoding".
 */
export class OtlpPage {
  octets: Buffer = Buffer.alloc(0);
  /** Where the next field goes. */
  at = 0;
  readonly #spare: Buffer[] = [];

  /** Makes room for so many octets, on a new page where this one is full. */
  room(octets: number): void {
    if (this.at + octets <= this.octets.length) return;
    this.at = 0;
    this.octets =
      (octets <= pageOctets ? this.#spare.pop() : undefined) ??
      Buffer.allocUnsafeSlow(Math.max(pageOctets, octets));
  }

  /** Takes back a page whose octets nobody needs any more: memory that is let go of is what makes V8 collect. */
  free(octets: Buffer): void {
    if (octets.length === pageOctets && this.#spare.length < sparePages) this.#spare.push(octets);
  }

  /** Begins a message, whose fields follow. Answers what `close` must be told. */
  open(field: number): number {
    this.#tag(field, 2);
    this.at += lengthOctets;
    return this.at;
  }

  /** Ends the message whose fields began at `start`. */
  close(start: number): void {
    const { octets } = this;
    const length = this.at - start;
    if (length <= 0x7f) {
      octets[start - lengthOctets] = length;
      return;
    }
    let more = 0;
    for (let left = length; left > 0x7f; left >>>= 7) more++;
    if (more > 0) octets.copyWithin(start + more, start, this.at);
    this.at += more;
    varintInto(octets, start - lengthOctets, length);
  }

  /** Takes three octets for a letter, at most. */
  text(field: number, text: string): void {
    const start = this.open(field);
    this.at += ascii(this.octets, start, text) || this.octets.write(text, start);
    this.close(start);
  }

  /** So many octets that `text` has as hexadecimal digits from `from` on. */
  hex(field: number, text: string, from: number, count: number): void {
    const start = this.open(field);
    const { octets } = this;
    for (let at = 0; at < count; at++) {
      const digit = from + 2 * at;
      octets[start + at] = hexDigitAt(text, digit) * 16 + hexDigitAt(text, digit + 1);
    }
    this.at = start + count;
    this.close(start);
  }

  /** A whole number that is not negative. */
  varint(field: number, value: number): void {
    this.#tag(field, 0);
    this.at = varintInto(this.octets, this.at, value);
  }

  double(field: number, value: number): void {
    this.#tag(field, 1);
    this.at = this.octets.writeDoubleLE(value, this.at);
  }

  fixed32(field: number, value: number): void {
    this.#tag(field, 5);
    this.at = this.octets.writeUInt32LE(value, this.at);
  }

  /** Milliseconds as the nanoseconds that OTLP wants, which are more than a number can hold. */
  nanoseconds(field: number, ms: number): void {
    const seconds = Math.floor(ms / 1000);
    const beyond = Math.round((ms - seconds * 1000) * 1e6);
    const low = seconds % 0x10000;
    const high = ((seconds - low) / 0x10000) * 1e9;
    const lower = (high % 0x10000) * 0x10000 + low * 1e9 + beyond;
    this.#tag(field, 1);
    this.at = this.octets.writeUInt32LE(lower % 0x1_0000_0000, this.at);
    const upper = Math.floor(high / 0x10000) + Math.floor(lower / 0x1_0000_0000);
    this.at = this.octets.writeUInt32LE(upper, this.at);
  }

  /** Of fields up to 2,047. */
  #tag(field: number, type: 0 | 1 | 2 | 5): void {
    const tag = field * 8 + type;
    if (tag > 0x7f) this.octets[this.at++] = (tag & 0x7f) | 0x80;
    this.octets[this.at++] = tag > 0x7f ? tag >>> 7 : tag;
  }
}

/** Writes a whole number; answers where it ends. */
const varintInto = (octets: Buffer, start: number, value: number): number => {
  let at = start;
  let left = value;
  for (; left > 0x7f; left = Math.floor(left / 128)) octets[at++] = (left & 0x7f) | 0x80;
  octets[at++] = left;
  return at;
};

/** Writes a short text of ASCII; 0 for any other. */
const ascii = (octets: Buffer, start: number, text: string): number => {
  const { length } = text;
  if (length > shortText) return 0;
  for (let at = 0; at < length; at++) {
    const letter = text.charCodeAt(at);
    if (letter > 0x7f) return 0;
    octets[start + at] = letter;
  }
  return length;
};

/**
 * What RFC 9113 section 8 asks of a header list, beyond octets (which the decoder checks).
 * A list that breaks a rule is malformed: the stream ends with PROTOCOL_ERROR.
 */

const plain = 0;
const hopByHop = 1;
const te = 2;
const contentLength = 3;
const method = 4;
const scheme = 5;
const path = 6;
const authority = 7;
const status = 8;

const special: ReadonlyMap<string, number> = new Map([
  ['connection', hopByHop],
  ['keep-alive', hopByHop],
  ['proxy-connection', hopByHop],
  ['transfer-encoding', hopByHop],
  ['upgrade', hopByHop],
  ['te', te],
  ['content-length', contentLength],
  [':method', method],
  [':scheme', scheme],
  [':path', path],
  [':authority', authority],
  [':status', status],
]);

/** What a check found. Content lengths are -1 when there is none. */
export interface Checked {
  /** Why the list is malformed, or the empty string. */
  malformed: string;
  contentLength: number;
  /** Of a response; 0 when absent. */
  status: number;
}

/** HeaderRules checks header lists; the result is reused from list to list. */
export class HeaderRules implements Checked {
  malformed = '';
  contentLength = -1;
  status = 0;

  /** Checks a request's fields. Ref: RFC 9113 section 8.3.1. */
  request(fields: readonly string[]): boolean {
    const seen = this.#walk(fields);
    if (this.malformed !== '') return false;
    if ((seen & (1 << status)) !== 0) return this.#bad(':status in a request');
    if ((seen & (1 << method)) === 0) return this.#bad('no :method');
    if ((seen & (1 << scheme)) === 0) return this.#bad('no :scheme');
    if ((seen & (1 << path)) === 0) return this.#bad('no :path');
    return true;
  }

  /** Checks a response's fields, interim ones too. Ref: RFC 9113 section 8.3.2. */
  response(fields: readonly string[]): boolean {
    const seen = this.#walk(fields);
    if (this.malformed !== '') return false;
    if (seen !== 1 << status) return this.#bad('a response has :status and no other pseudo-field');
    return true;
  }

  /** Checks trailers: no pseudo-fields at all. Ref: RFC 9113 section 8.1. */
  trailers(fields: readonly string[]): boolean {
    const seen = this.#walk(fields);
    if (this.malformed !== '') return false;
    return seen === 0 || this.#bad('a pseudo-field in trailers');
  }

  #bad(why: string): false {
    this.malformed = why;
    return false;
  }

  /** Answers the pseudo-fields that were there, one bit each. */
  #walk(fields: readonly string[]): number {
    this.malformed = '';
    this.contentLength = -1;
    this.status = 0;
    let seen = 0;
    let regular = false;
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i]!;
      const kind = special.get(name) ?? plain;
      if (kind >= method) {
        if (regular) this.#bad(`${name} behind a regular field`);
        else if ((seen & (1 << kind)) !== 0) this.#bad(`two ${name}`);
        else if (kind === path && fields[i + 1] === '') this.#bad('an empty :path');
        else if (kind === status) this.#readStatus(fields[i + 1]!);
        seen |= 1 << kind;
        continue;
      }
      if (kind === plain && name.charCodeAt(0) === 0x3a) this.#bad(`unknown pseudo-field ${name}`);
      regular = true;
      if (kind === plain) continue;
      if (kind === hopByHop) this.#bad(`${name} belongs to HTTP/1.1`);
      else if (kind === te && fields[i + 1] !== 'trailers') this.#bad('te other than trailers');
      else if (kind === contentLength) this.#readLength(fields[i + 1]!);
    }
    return seen;
  }

  #readStatus(value: string): void {
    if (/^[1-5][0-9][0-9]$/.test(value)) this.status = Number(value);
    else this.#bad(':status is not a number of three digits');
  }

  #readLength(value: string): void {
    const length = /^[0-9]{1,15}$/.test(value) ? Number(value) : -1;
    if (length < 0 || (this.contentLength >= 0 && this.contentLength !== length))
      this.#bad('content-length is not one number');
    else this.contentLength = length;
  }
}

/** What is heard of the answers on one connection, in the order of the questions. */
export interface AnswerListener {
  /** An answer begins. Names of headers are in lower case; of two with one name the last counts. */
  begin(status: number, headers: Readonly<Record<string, string>>): void;
  /** Some of its body; lent, so that whoever keeps it copies it. */
  part(octets: Buffer): void;
  /** It is whole. */
  end(): void;
}

/** Octets of one answer's head, of a chunk's first line, and of the trailers, at most. */
const longestHead = 16 * 1024;
const nothing = Buffer.alloc(0);
const statusLine = /^HTTP\/1\.[01] ([1-5][0-9]{2})(?: |$)/;
const chunkSize = /^[0-9A-Fa-f]{1,8}(?=$|[ \t]*;)/;
const decimal = /^[0-9]{1,12}$/;

/** What comes next: a head, octets of a body, the line before a chunk, a chunk's octets and its end, or trailers. */
type Next = 'head' | 'body' | 'size' | 'chunk' | 'chunk-end' | 'trailers';

/**
 * HttpAnswers reads the answers on one connection, one behind the other, however they are cut. Only what an agent
 * sends is read: each answer has a length or comes in chunks. Ref: RFC 9112, sections 4, 6 and 7.1.
 */
export class HttpAnswers {
  readonly #listener: AnswerListener;
  #next: Next = 'head';
  /** Octets of the body, or of the chunk, that are still to come. */
  #left = 0;
  /** What has come and is not whole. */
  #rest: Buffer = nothing;

  constructor(listener: AnswerListener) {
    this.#listener = listener;
  }

  /** Reads on. Throws an Error when this is no answer; nothing more can be read then. */
  read(octets: Buffer): void {
    const all = this.#rest.length === 0 ? octets : Buffer.concat([this.#rest, octets]);
    let at = 0;
    while (at < all.length) {
      const next = this.#step(all, at);
      if (next < 0) break;
      at = next;
    }
    this.#rest = at === all.length ? nothing : all.subarray(at);
    if (this.#rest.length > longestHead)
      throw new Error(`the head of an answer is longer than ${longestHead} bytes`);
  }

  /** Reads one thing at `at`; where the next one begins, or -1 while it is not whole. */
  #step(all: Buffer, at: number): number {
    if (this.#next === 'body' || this.#next === 'chunk') return this.#take(all, at);
    if (this.#next === 'head') return this.#head(all, at);
    const end = all.indexOf('\r\n', at, 'latin1');
    if (end < 0) return -1;
    this.#line(all.toString('latin1', at, end));
    return end + 2;
  }

  #take(all: Buffer, at: number): number {
    const end = Math.min(all.length, at + this.#left);
    this.#listener.part(all.subarray(at, end));
    this.#left -= end - at;
    if (this.#left === 0 && this.#next === 'chunk') this.#next = 'chunk-end';
    else if (this.#left === 0) this.#end();
    return end;
  }

  #head(all: Buffer, at: number): number {
    const end = all.indexOf('\r\n\r\n', at, 'latin1');
    if (end < 0) return -1;
    const [first = '', ...lines] = all.toString('latin1', at, end).split('\r\n');
    const status = Number(statusLine.exec(first)?.[1] ?? 0);
    if (status === 0) throw new Error(`'${first.slice(0, 60)}' is no status line`);
    // "Continue" and its like are followed by the answer itself.
    if (status < 200) return end + 4;
    const headers: Record<string, string> = {};
    for (const line of lines) {
      const colon = line.indexOf(':');
      if (colon <= 0) throw new Error(`'${line.slice(0, 60)}' is no header`);
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    this.#listener.begin(status, headers);
    this.#expect(status, headers);
    return end + 4;
  }

  /** Says what follows the head. Ref: RFC 9112, section 6.3. */
  #expect(status: number, headers: Readonly<Record<string, string>>): void {
    const { 'transfer-encoding': coding, 'content-length': length = '' } = headers;
    if (status === 204 || status === 304) return this.#end();
    if (coding !== undefined) {
      if (coding.toLowerCase() !== 'chunked') throw new Error(`the body is in '${coding.slice(0, 60)}'`);
      this.#next = 'size';
      return;
    }
    if (!decimal.test(length))
      throw new Error('an answer says neither its length nor that it comes in chunks');
    this.#left = Number(length);
    if (this.#left === 0) return this.#end();
    this.#next = 'body';
  }

  #line(line: string): void {
    if (this.#next === 'chunk-end') {
      if (line !== '') throw new Error('a chunk is longer than it said');
      this.#next = 'size';
    } else if (this.#next === 'trailers') {
      if (line === '') this.#end();
    } else {
      const size = chunkSize.exec(line);
      if (size === null) throw new Error(`'${line.slice(0, 60)}' is no size of a chunk`);
      this.#left = Number.parseInt(size[0], 16);
      this.#next = this.#left === 0 ? 'trailers' : 'chunk';
    }
  }

  #end(): void {
    this.#next = 'head';
    this.#listener.end();
  }
}

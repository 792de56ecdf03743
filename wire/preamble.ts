import { preface } from './frames.ts';

/** What the first octets of a connection turned out to be. */
export type Opening = 'partial' | 'http2' | 'http1' | 'other';

/** Preamble reads the client's preface, which may come in any pieces. Ref: RFC 9113 section 3.4. */
export class Preamble {
  #have = 0;
  /** Octets of the latest chunk that belonged to the preface. */
  taken = 0;

  read(chunk: Buffer): Opening {
    const have = this.#have;
    this.taken = Math.min(chunk.length, preface.length - have);
    if (preface.compare(chunk, 0, this.taken, have, have + this.taken) !== 0)
      return isHttp1(preface.toString('latin1', 0, have) + chunk.toString('latin1', 0, 8))
        ? 'http1'
        : 'other';
    this.#have = have + this.taken;
    return this.#have === preface.length ? 'http2' : 'partial';
  }
}

const methods: readonly string[] = [
  'GET ',
  'HEAD ',
  'POST ',
  'PUT ',
  'PATCH ',
  'DELETE ',
  'OPTIONS ',
  'TRACE ',
  'CONNECT ',
];

/** Whether a connection that begins with `text` asks in HTTP/1.1. Ref: RFC 9110 section 9. */
const isHttp1 = (text: string): boolean =>
  methods.some((method) => method.startsWith(text.slice(0, method.length)));

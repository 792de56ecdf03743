import type { IncomingMessage } from 'node:http';
import { Writable } from 'node:stream';

/** Bytes of one answer of Consul that are read at most. A health answer of 1,000 instances is about 1.5 MB. */
export const largestAnswer: number = 8 * 1024 * 1024;

/** The body of an answer. */
export interface AnswerBody {
  /** Bytes. */
  readonly length: number;
  /** The bytes as they came; each part owns its memory, so that it can be given to a thread. */
  readonly parts: readonly Uint8Array<ArrayBuffer>[];
  /** All of it in one piece. */
  readonly octets: Uint8Array;
  /** All of it. */
  readonly text: string;
}

/** BoundedBody takes an answer's body as it arrives, and refuses the part with which it would grow too long. */
export class BoundedBody implements AnswerBody {
  readonly #most: number;
  readonly parts: Uint8Array<ArrayBuffer>[] = [];
  length = 0;

  /** `most`: bytes. */
  constructor(most: number) {
    this.#most = most;
  }

  get octets(): Uint8Array {
    return this.parts.length === 1 ? this.parts[0]! : Buffer.concat(this.parts, this.length);
  }

  get text(): string {
    return Buffer.from(this.octets.buffer, this.octets.byteOffset, this.length).toString('utf8');
  }

  /** Whether so many bytes are too many. */
  isTooLong(bytes: number): boolean {
    return bytes > this.#most;
  }

  /** Takes one part. False when that is too much: nothing is kept then. */
  take(part: Buffer): boolean {
    this.length += part.length;
    if (!this.isTooLong(this.length)) {
      // Copied: parts share the memory that the socket was read into. Here and not at the end, so that it takes turns.
      this.parts.push(new Uint8Array(part));
      return true;
    }
    this.parts.length = 0;
    this.length = 0;
    return false;
  }
}

/**
 * BodySink is what the `consul` package pours an answer into. It stops the exchange when the body grows too long or
 * breaks off: the package alone would read 50 MB, and wait for ever for what never comes.
 */
export class BodySink extends Writable {
  readonly #body: BoundedBody;
  readonly #stop: (why: 'large' | 'truncated') => void;

  /** `stop` is called at most once; the exchange is then over. */
  constructor(body: BoundedBody, stop: (why: 'large' | 'truncated') => void) {
    super();
    this.#body = body;
    let stopped = false;
    this.#stop = (why) => {
      if (!stopped) stop(why);
      stopped = true;
    };
    this.on('pipe', (response: IncomingMessage) => this.#attend(response));
  }

  #attend(response: IncomingMessage): void {
    if (this.#body.isTooLong(Number(response.headers['content-length'] ?? 0))) this.#stop('large');
    response.once('close', () => {
      if (!response.complete) this.#stop('truncated');
    });
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    if (!this.#body.take(chunk)) this.#stop('large');
    done();
  }
}

import type { IncomingMessage } from 'node:http';
import { Writable } from 'node:stream';

/** Bytes of one answer of Consul that are read at most. A health answer of 1,000 instances is about 1.5 MB. */
export const largestAnswer: number = 8 * 1024 * 1024;

/**
 * BoundedBody takes an answer's body as it arrives, and stops the exchange when the body grows too long or
 * breaks off: the `consul` package alone would read 50 MB, and wait for ever for what never comes.
 */
export class BoundedBody extends Writable {
  readonly #most: number;
  readonly #stop: (why: 'large' | 'truncated') => void;
  readonly #chunks: Buffer[] = [];
  #length = 0;

  /** `stop` is called at most once; the exchange is then over. */
  constructor(most: number, stop: (why: 'large' | 'truncated') => void) {
    super();
    this.#most = most;
    let stopped = false;
    this.#stop = (why) => {
      if (!stopped) stop(why);
      stopped = true;
    };
    this.on('pipe', (response: IncomingMessage) => this.#attend(response));
  }

  /** The bytes so far, as text. */
  get text(): string {
    return Buffer.concat(this.#chunks, this.#length).toString('utf8');
  }

  #attend(response: IncomingMessage): void {
    if (Number(response.headers['content-length'] ?? 0) > this.#most) this.#stop('large');
    response.once('close', () => {
      if (!response.complete) this.#stop('truncated');
    });
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    this.#length += chunk.length;
    if (this.#length > this.#most) {
      this.#chunks.length = 0;
      this.#length = 0;
      this.#stop('large');
    } else this.#chunks.push(chunk);
    done();
  }
}

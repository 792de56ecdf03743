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
  /** All of it. */
  readonly text: string;
}

/**
 * BoundedBody takes an answer's body as it arrives, and stops the exchange when the body grows too long or
 * breaks off: the `consul` package alone would read 50 MB, and wait for ever for what never comes.
 */
export class BoundedBody extends Writable implements AnswerBody {
  readonly #most: number;
  readonly #stop: (why: 'large' | 'truncated') => void;
  readonly parts: Uint8Array<ArrayBuffer>[] = [];
  length = 0;

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

  get text(): string {
    return Buffer.concat(this.parts, this.length).toString('utf8');
  }

  #attend(response: IncomingMessage): void {
    if (Number(response.headers['content-length'] ?? 0) > this.#most) this.#stop('large');
    response.once('close', () => {
      if (!response.complete) this.#stop('truncated');
    });
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    this.length += chunk.length;
    if (this.length > this.#most) {
      this.parts.length = 0;
      this.length = 0;
      this.#stop('large');
      // Copied: chunks share the memory that the socket was read into. Here and not at the end, so that it takes turns.
    } else this.parts.push(new Uint8Array(chunk));
    done();
  }
}

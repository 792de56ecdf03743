import type { Stream, StreamListener } from '../../wire/index.ts';
import type { Timer, Wheel } from '../core/wheel.ts';

/** How long the body of such a request may take before it is answered all the same, in milliseconds. */
const patienceMs = 5000;

/** Answers a request that is not gRPC, in words of HTTP, once it has ended; its body is dropped. */
export class HttpAnswer implements StreamListener, Timer {
  slot = -1;
  dueAt = 0;
  before: Timer | null = null;
  after: Timer | null = null;
  readonly #stream: Stream;
  readonly #status: number;
  readonly #text: Buffer;
  readonly #wheel: Wheel;

  /** `ended`: the request has no body, and is answered now. */
  constructor(stream: Stream, status: number, text: string, ended: boolean, wheel: Wheel) {
    this.#stream = stream;
    this.#status = status;
    this.#text = Buffer.from(text);
    // What is no gRPC has no messages either: its octets must not be taken for their lengths.
    stream.ignoreMessages();
    this.#wheel = wheel;
    if (ended) this.expire();
    else wheel.arm(this, patienceMs);
  }

  headers(_fields: string[], _never: string[] | null, last: boolean): void {
    if (last) this.expire();
  }

  data(_chunk: Buffer, start: number, end: number, last: boolean): void {
    this.#stream.credit(end - start);
    if (last) this.expire();
  }

  sent(): void {}

  aborted(): void {
    this.#wheel.disarm(this);
    this.#stream.release();
  }

  /** The request has ended, or taken too long. */
  expire(): void {
    this.#wheel.disarm(this);
    const stream = this.#stream;
    const fields = [':status', String(this.#status), 'content-type', 'text/plain; charset=utf-8'];
    stream.headers(fields, null, false);
    stream.write(this.#text, 0, this.#text.length, true);
    stream.end();
    stream.release();
  }
}

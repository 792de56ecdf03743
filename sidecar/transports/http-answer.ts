import type { Stream, StreamListener } from '../../wire/index.ts';

/** Answers a request that is not gRPC, in words of HTTP, once it has ended; its body is dropped. */
export class HttpAnswer implements StreamListener {
  readonly #stream: Stream;
  readonly #status: number;
  readonly #text: Buffer;

  /** `ended`: the request has no body, and is answered now. */
  constructor(stream: Stream, status: number, text: string, ended: boolean) {
    this.#stream = stream;
    this.#status = status;
    this.#text = Buffer.from(text);
    // What is no gRPC has no messages either: its octets must not be taken for their lengths.
    stream.ignoreMessages();
    if (ended) this.#answer();
  }

  headers(_fields: string[], _never: string[] | null, last: boolean): void {
    if (last) this.#answer();
  }

  data(_chunk: Buffer, start: number, end: number, last: boolean): void {
    this.#stream.credit(end - start);
    if (last) this.#answer();
  }

  sent(): void {}

  aborted(): void {
    this.#stream.release();
  }

  #answer(): void {
    const stream = this.#stream;
    const fields = [':status', String(this.#status), 'content-type', 'text/plain; charset=utf-8'];
    stream.headers(fields, null, false);
    stream.write(this.#text, 0, this.#text.length, true);
    stream.end();
    stream.release();
  }
}

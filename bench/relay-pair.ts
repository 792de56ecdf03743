import { type Abort, type Connection, ErrorCode, type Stream, type StreamListener } from '../wire/index.ts';

/** Pair ties a caller's stream to one on the upstream connection. It hears the caller's side. */
export class Pair implements StreamListener {
  readonly #down: Stream;
  readonly #up: Stream;

  constructor(down: Stream, upstream: Connection, fields: string[], never: string[] | null, last: boolean) {
    this.#down = down;
    const answers = new Answers(down);
    this.#up = upstream.open(fields, never, last, answers);
    answers.up = this.#up;
  }

  headers(fields: string[]): void {
    this.#up.trailers(fields);
  }

  data(chunk: Buffer, start: number, end: number, last: boolean): void {
    if (end > start) this.#up.write(chunk, start, end);
    if (last) this.#up.end();
  }

  sent(bytes: number): void {
    this.#up.credit(bytes);
  }

  aborted(_abort: Abort): void {
    this.#up.reset(ErrorCode.CANCEL);
    this.#down.release();
  }
}

/** The upstream's side of a pair. */
class Answers implements StreamListener {
  up: Stream | null = null;
  readonly #down: Stream;
  #begun = false;

  constructor(down: Stream) {
    this.#down = down;
  }

  headers(fields: string[], never: string[] | null, last: boolean): void {
    if (this.#begun) this.#down.trailers(fields);
    else this.#down.headers(fields, never, last);
    this.#begun = true;
    if (last) this.#down.release();
  }

  data(chunk: Buffer, start: number, end: number, last: boolean): void {
    if (end > start) this.#down.write(chunk, start, end);
    if (!last) return;
    this.#down.end();
    this.#down.release();
  }

  sent(bytes: number): void {
    this.#down.credit(bytes);
  }

  aborted(abort: Abort): void {
    this.#down.reset(abort.code);
    this.#down.release();
  }
}

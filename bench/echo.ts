import type { Abort, Stream, StreamListener } from '../wire/index.ts';
import { endFrame } from './end-frame.ts';

const head: readonly string[] = [':status', '200', 'content-type', 'application/grpc'];
const good: readonly string[] = ['grpc-status', '0'];
const unknown: readonly string[] = [...head, 'grpc-status', '12'];

/** Hears a request and answers by its method: `Unary`, `Bidi` or `Flood`. */
export const answer = (stream: Stream, fields: string[]): StreamListener => {
  const path = fields[fields.indexOf(':path') + 1];
  if (path === '/bench.Echo/Unary') return new UnaryEcho(stream);
  if (path === '/bench.Echo/Bidi') return new BidiEcho(stream);
  if (path === '/bench.Echo/Flood') return new Flood(stream);
  stream.headers(unknown, null, true);
  stream.release();
  return new Listening(stream);
};

class Listening implements StreamListener {
  protected readonly stream: Stream;

  constructor(stream: Stream) {
    this.stream = stream;
  }

  headers(): void {}
  data(_chunk: Buffer, start: number, end: number, _last: boolean): void {
    this.stream.credit(end - start);
  }
  sent(_bytes: number): void {}
  aborted(_abort: Abort): void {
    this.stream.release();
  }

  protected finish(): void {
    this.stream.trailers(good);
    this.stream.release();
  }
}

/** Waits for the whole message, as a unary method does, and sends it back. */
class UnaryEcho extends Listening {
  #pieces: Buffer[] | null = null;

  override data(chunk: Buffer, start: number, end: number, last: boolean): void {
    this.stream.credit(end - start);
    if (!last) {
      this.#pieces ??= [];
      this.#pieces.push(Buffer.from(chunk.subarray(start, end)));
      return;
    }
    this.stream.headers(head, null, false);
    for (const piece of this.#pieces ?? []) this.stream.write(piece, 0, piece.length);
    if (end > start) this.stream.write(chunk, start, end);
    this.finish();
  }
}

/** Sends back each message in a frame of its own, when it comes; the reader's pace is the writer's. */
class BidiEcho extends Listening {
  #begun = false;
  /** Octets of the prefix that have come, and the length that they say so far. */
  #prefix = 0;
  #length = 0;
  /** Octets that are missing of the present message; 0 while its prefix comes. */
  #left = 0;

  override data(chunk: Buffer, start: number, end: number, last: boolean): void {
    if (!this.#begun) this.stream.headers(head, null, false);
    this.#begun = true;
    while (start < end) {
      const stop = this.#messageEnd(chunk, start, end);
      this.stream.write(chunk, start, stop);
      if (this.#prefix === 0) endFrame(this.stream);
      start = stop;
    }
    if (last) this.finish();
  }

  override sent(bytes: number): void {
    this.stream.credit(bytes);
  }

  /** Where the message that stands at `start` ends in this piece, if it does. */
  #messageEnd(chunk: Buffer, start: number, end: number): number {
    for (; this.#prefix < 5 && start < end; start++) {
      this.#length = this.#prefix === 0 ? 0 : this.#length * 256 + chunk[start]!;
      if (++this.#prefix === 5) this.#left = this.#length;
    }
    if (this.#prefix < 5) return end;
    const taken = Math.min(this.#left, end - start);
    this.#left -= taken;
    if (this.#left === 0) this.#prefix = 0;
    return start + taken;
  }
}

const floodMessage = Buffer.alloc(16 * 1024);
floodMessage.writeUInt32BE(floodMessage.length - 5, 1);

/** Messages without end, as fast as they are taken. */
class Flood extends Listening {
  constructor(stream: Stream) {
    super(stream);
    stream.headers(head, null, false);
    for (let i = 0; i < 4; i++) this.#more();
  }

  override sent(): void {
    // Later: `sent` is told from within `write`.
    if (this.stream.queued < 2 * floodMessage.length) setImmediate(() => this.#more());
  }

  #more(): void {
    if (!this.stream.closed && this.stream.queued < 4 * floodMessage.length)
      this.stream.write(floodMessage, 0, floodMessage.length);
  }
}

import type { StreamEnd } from '../../wire/index.ts';

/** Ref: gRPC over HTTP/2, "Length-Prefixed-Message". */
const prefixBytes = 5;

/**
 * Messages puts together again what a stream carries in pieces. The other side may send on as messages are taken: no more
 * than one whole message and a window wait here.
 */
export class Messages {
  readonly #stream: StreamEnd;
  readonly #longest: number;
  /** Octets that have come of the message that comes, or of its prefix. */
  #pieces: Buffer[] = [];
  #bytes = 0;
  readonly #whole: Buffer[] = [];
  /** Octets that are not credited yet. */
  #owed = 0;

  constructor(stream: StreamEnd, longest: number) {
    this.#stream = stream;
    this.#longest = longest;
  }

  /** Whether a message can be taken. */
  get isEmpty(): boolean {
    return this.#whole.length === 0;
  }

  /** A piece has come, which is ours now. Answers the length of a message that is too long, or 0. */
  push(piece: Buffer): number {
    const isAwaited = this.#whole.length === 0;
    this.#owed += piece.length;
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    for (;;) {
      if (this.#bytes < prefixBytes) break;
      const length = this.#first(prefixBytes).readUInt32BE(1);
      if (length > this.#longest) return length;
      if (this.#bytes < prefixBytes + length) break;
      this.#whole.push(this.#first(prefixBytes + length).subarray(prefixBytes, prefixBytes + length));
      this.#drop(prefixBytes + length);
    }
    // Of the message that is next all may come, though nobody has asked for it yet: it cannot be taken in part.
    if (isAwaited) this.#credit();
    return 0;
  }

  /** The next message. Only while there is one. */
  take(): Buffer {
    const message = this.#whole.shift()!;
    if (this.#whole.length === 0) this.#credit();
    return message;
  }

  #credit(): void {
    if (this.#owed === 0) return;
    const owed = this.#owed;
    this.#owed = 0;
    this.#stream.credit(owed);
  }

  /** The first piece, with `bytes` in it. */
  #first(bytes: number): Buffer {
    const [first] = this.#pieces;
    if (first!.length >= bytes) return first!;
    const joined = Buffer.concat(this.#pieces, this.#bytes);
    this.#pieces = [joined];
    return joined;
  }

  #drop(bytes: number): void {
    const first = this.#pieces[0]!;
    this.#bytes -= bytes;
    if (first.length === bytes) this.#pieces.shift();
    else this.#pieces[0] = first.subarray(bytes);
  }
}

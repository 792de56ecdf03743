/** A header block whose CONTINUATION frames have not all come. Ref: RFC 9113 section 6.10. */
export class HeaderAssembly {
  readonly stream: number;
  readonly last: boolean;
  /** Monotonic milliseconds. */
  readonly begunAt: number;
  frames = 0;
  readonly #pieces: Buffer[] = [];
  bytes = 0;

  constructor(stream: number, last: boolean, begunAt: number) {
    this.stream = stream;
    this.last = last;
    this.begunAt = begunAt;
  }

  /** Takes one frame's part, copied: the chunk it came in may be much larger. */
  add(buffer: Buffer, start: number, end: number): void {
    this.#pieces.push(Buffer.from(buffer.subarray(start, end)));
    this.bytes += end - start;
  }

  /** The block in one piece. */
  whole(): Buffer {
    return Buffer.concat(this.#pieces, this.bytes);
  }
}

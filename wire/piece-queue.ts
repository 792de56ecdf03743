/** Pieces below a quarter of this share a block while they wait. */
const blockBytes = 4096;

/** PieceQueue holds the octets that wait for a window, in order; small pieces are put together. */
export class PieceQueue {
  /** Octets in the queue. */
  bytes = 0;
  readonly #pieces: Buffer[] = [];
  /** Where small pieces at the end are put together, and how much of it is used. */
  #block: Buffer | null = null;
  #blockUsed = 0;

  /** The piece that is next. Only while `bytes > 0`. */
  get first(): Buffer {
    return this.#pieces[0]!;
  }

  /** Takes `bytes` off the first piece: all of it, or its beginning. */
  take(bytes: number): void {
    const piece = this.first;
    this.bytes -= bytes;
    if (bytes === piece.length) this.#pieces.shift();
    else this.#pieces[0] = piece.subarray(bytes);
  }

  /** Adds `chunk[start, end)`, copied unless `owned` or most of its chunk: a slice holds the whole in memory. */
  push(chunk: Uint8Array, start: number, end: number, owned: boolean): void {
    const bytes = end - start;
    this.bytes += bytes;
    const whole = Buffer.from(chunk.buffer, chunk.byteOffset + start, bytes);
    if (!this.#join(whole))
      this.#pieces.push(owned || bytes * 4 >= chunk.buffer.byteLength ? whole : Buffer.from(whole));
  }

  /** Adds a small piece to the last one: of a peer's one-octet frames each would cost a hundred. */
  #join(piece: Buffer): boolean {
    const last = this.#pieces.at(-1);
    if (last === undefined || piece.length >= blockBytes / 4) return false;
    let block = this.#block;
    if (block === null || last.buffer !== block.buffer) {
      if (last.length + piece.length > blockBytes) return false;
      this.#block = block = Buffer.allocUnsafeSlow(blockBytes);
      this.#blockUsed = last.copy(block, 0);
    } else if (this.#blockUsed + piece.length > blockBytes) return false;
    const start = this.#blockUsed - last.length;
    this.#blockUsed += piece.copy(block, this.#blockUsed);
    this.#pieces[this.#pieces.length - 1] = block.subarray(start, this.#blockUsed);
    return true;
  }
}

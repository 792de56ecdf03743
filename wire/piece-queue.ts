import type { Pool } from './pool.ts';

/** Pieces from this size on wait in blocks of the pool. */
const largePiece = 1024;
/** Smaller ones share a block of their own: of a peer's one-octet frames each would cost a hundred. */
const smallBlock = 1024;

/** PieceQueue holds copies of octets that wait, in order: for a window, or for a reader. */
export class PieceQueue {
  /** Octets in the queue. */
  bytes = 0;
  readonly #pool: Pool;
  readonly #blocks: Buffer[] = [];
  /** Octets taken from the first block, and written to the last. */
  #taken = 0;
  #written = 0;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** What is next, as far as it lies in one piece. It belongs to the queue, until `take`. Only while `bytes > 0`. */
  get first(): Buffer {
    const block = this.#blocks[0]!;
    return block.subarray(this.#taken, this.#blocks.length === 1 ? this.#written : block.length);
  }

  /** All that is in the queue, in order. */
  pieces(): Buffer[] {
    const blocks = [...this.#blocks];
    const last = blocks.length - 1;
    if (last >= 0) blocks[last] = blocks[last]!.subarray(0, this.#written);
    if (last >= 0) blocks[0] = blocks[0]!.subarray(this.#taken);
    return blocks;
  }

  /** Takes `bytes` off the first piece: all of it, or its beginning. */
  take(bytes: number): void {
    this.bytes -= bytes;
    this.#taken += bytes;
    const block = this.#blocks[0]!;
    if (this.bytes > 0 && this.#taken < block.length) return;
    this.#blocks.shift();
    this.#taken = 0;
    this.#free(block);
  }

  /** Adds a copy of `chunk[start, end)`. */
  push(chunk: Uint8Array, start: number, end: number): void {
    this.bytes += end - start;
    while (start < end) {
      let block = this.#blocks.at(-1);
      if (block === undefined || this.#written === block.length) {
        block = this.#add(end - start);
        this.#written = 0;
      }
      const stop = Math.min(end, start + block.length - this.#written);
      block.set(start === 0 && stop === chunk.length ? chunk : chunk.subarray(start, stop), this.#written);
      this.#written += stop - start;
      start = stop;
    }
  }

  /** Forgets what waits. */
  clear(): void {
    this.bytes = 0;
    this.#taken = 0;
    for (const block of this.#blocks) this.#free(block);
    this.#blocks.length = 0;
  }

  /** The first small piece has a block of its size, for often no other follows. */
  #add(bytes: number): Buffer {
    const block =
      bytes >= largePiece
        ? this.#pool.borrow(this.#pool.bytes)
        : Buffer.allocUnsafe(this.#blocks.length === 0 ? bytes : smallBlock);
    this.#blocks.push(block);
    return block;
  }

  #free(block: Buffer): void {
    if (block.length === this.#pool.bytes) this.#pool.giveBack(block);
  }
}

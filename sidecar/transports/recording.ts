/** Blocks that large pieces are copied into; as long as one DATA frame may be. */
const blockBytes = 16_384;
/** Pieces from this size on go into blocks; smaller ones come from Node's own pool. */
const blocksFrom = 2048;
/** Blocks that are kept for the next recording. */
const spareBlocks = 64;

/**
 * Octets of recordings in one process; what does not fit is not recorded, and its call not retried. Its blocks are
 * used again and again: memory outside the heap is dear to allocate and dearer to collect.
 */
export class RecordingBudget {
  readonly #limit: number;
  readonly #blocks: Buffer[] = [];
  #held = 0;

  constructor(limitBytes: number) {
    this.#limit = limitBytes;
  }

  /** Octets in recordings now. */
  get held(): number {
    return this.#held;
  }

  take(bytes: number): boolean {
    if (this.#held + bytes > this.#limit) return false;
    this.#held += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#held -= bytes;
  }

  borrowBlock(): Buffer {
    return this.#blocks.pop() ?? Buffer.allocUnsafeSlow(blockBytes);
  }

  returnBlock(block: Buffer): void {
    if (this.#blocks.length < spareBlocks) this.#blocks.push(block);
  }
}

/**
 * Recording is the copied beginning of a request, so that another attempt can begin at the first byte. Copied,
 * because a slice would hold the whole chunk that it came in.
 */
export class Recording {
  readonly #budget: RecordingBudget;
  readonly #limit: number;
  readonly #pieces: Buffer[] = [];
  #blocks: Buffer[] | null = null;
  #blockUsed = 0;
  #bytes = 0;
  #freed = false;

  constructor(budget: RecordingBudget, limitBytes: number) {
    this.#budget = budget;
    this.#limit = limitBytes;
  }

  /** Copies `chunk[start, end)`; false when there is no room for it. */
  add(chunk: Uint8Array, start: number, end: number): boolean {
    const bytes = end - start;
    if (this.#freed || this.#bytes + bytes > this.#limit || !this.#budget.take(bytes)) return false;
    this.#bytes += bytes;
    if (bytes >= blocksFrom) {
      while (start < end) start += this.#addToBlock(chunk, start, end);
      return true;
    }
    const piece = Buffer.allocUnsafe(bytes);
    if (bytes < 48) for (let i = 0; i < bytes; i++) piece[i] = chunk[start + i]!;
    else piece.set(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end));
    this.#pieces.push(piece);
    return true;
  }

  /** Hands out all that was recorded, in order, as copies that belong to the receiver. */
  replay(receive: (piece: Buffer) => void): void {
    for (const piece of this.#pieces) receive(Buffer.from(piece));
  }

  /** Forgets everything. Safe to call again. */
  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    this.#budget.giveBack(this.#bytes);
    this.#pieces.length = 0;
    if (this.#blocks !== null) for (const block of this.#blocks) this.#budget.returnBlock(block);
    this.#blocks = null;
  }

  #addToBlock(chunk: Uint8Array, start: number, end: number): number {
    let block = this.#blocks?.at(-1);
    if (block === undefined || this.#blockUsed === blockBytes) {
      block = this.#budget.borrowBlock();
      this.#blockUsed = 0;
      if (this.#blocks === null) this.#blocks = [block];
      else this.#blocks.push(block);
    }
    const bytes = Math.min(end - start, blockBytes - this.#blockUsed);
    block.set(chunk.subarray(start, start + bytes), this.#blockUsed);
    this.#pieces.push(block.subarray(this.#blockUsed, this.#blockUsed + bytes));
    this.#blockUsed += bytes;
    return bytes;
  }
}

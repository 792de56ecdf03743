import { PieceQueue, type Pool } from '../../wire/index.ts';

/** Octets of recordings in one process; what does not fit is not recorded, and its call not retried. */
export class RecordingBudget {
  /** Where recordings get their memory from. */
  readonly blocks: Pool;
  readonly #limit: number;
  #held = 0;

  constructor(limitBytes: number, blocks: Pool) {
    this.#limit = limitBytes;
    this.blocks = blocks;
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
}

/** Recording is the copied beginning of a request, so that another attempt can begin at the first byte. */
export class Recording {
  readonly #budget: RecordingBudget;
  readonly #limit: number;
  readonly #pieces: PieceQueue;
  #freed = false;

  constructor(budget: RecordingBudget, limitBytes: number) {
    this.#budget = budget;
    this.#limit = limitBytes;
    this.#pieces = new PieceQueue(budget.blocks);
  }

  /** Copies `chunk[start, end)`; false when there is no room for it. */
  add(chunk: Uint8Array, start: number, end: number): boolean {
    const bytes = end - start;
    if (this.#freed || this.#pieces.bytes + bytes > this.#limit || !this.#budget.take(bytes)) return false;
    this.#pieces.push(chunk, start, end);
    return true;
  }

  /** Hands out all that was recorded, in order. The pieces belong to the recording. */
  replay(receive: (piece: Buffer) => void): void {
    for (const piece of this.#pieces.pieces()) receive(piece);
  }

  /** Forgets everything. Safe to call again. */
  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    this.#budget.giveBack(this.#pieces.bytes);
    this.#pieces.clear();
  }
}

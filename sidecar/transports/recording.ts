/** Octets of recordings in one process; what does not fit is not recorded, and its call not retried. */
export class RecordingBudget {
  readonly #limit: number;
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
}

/**
 * Recording is the copied beginning of a request, so that another attempt can begin at the first byte. Copied,
 * because a slice would hold the whole chunk that it came in.
 */
export class Recording {
  readonly pieces: Buffer[] = [];
  readonly #budget: RecordingBudget;
  readonly #limit: number;
  /** Octets recorded. */
  bytes = 0;
  #freed = false;

  constructor(budget: RecordingBudget, limitBytes: number) {
    this.#budget = budget;
    this.#limit = limitBytes;
  }

  /** Copies `chunk[start, end)`; null when there is no room for it. */
  add(chunk: Uint8Array, start: number, end: number): Buffer | null {
    const bytes = end - start;
    if (this.#freed || this.bytes + bytes > this.#limit || !this.#budget.take(bytes)) return null;
    this.bytes += bytes;
    const piece = Buffer.allocUnsafe(bytes);
    if (bytes < 48) for (let i = 0; i < bytes; i++) piece[i] = chunk[start + i]!;
    else piece.set(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end));
    this.pieces.push(piece);
    return piece;
  }

  /** Forgets everything. Safe to call again. */
  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    this.#budget.giveBack(this.bytes);
    this.pieces.length = 0;
  }
}

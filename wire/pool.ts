/** Pool keeps buffers for the next who needs one: memory outside the heap is dear to allocate, and dearer to collect. */
export class Pool {
  /** Octets of a new buffer. */
  readonly bytes: number;
  readonly #least: number;
  readonly #most: number;
  readonly #spare: Buffer[] = [];

  /** Keeps up to `most` buffers that have `least` octets left. */
  constructor(bytes: number, least: number, most: number) {
    this.bytes = bytes;
    this.#least = least;
    this.#most = most;
  }

  /** Lends at least `size` octets. */
  borrow(size: number): Buffer {
    if (size > this.bytes) return Buffer.allocUnsafeSlow(size);
    const spare = this.#spare.pop();
    return spare !== undefined && spare.length >= size ? spare : Buffer.allocUnsafeSlow(this.bytes);
  }

  /** Takes back a buffer, or the part of it that nobody has seen. */
  giveBack(buffer: Buffer): void {
    if (buffer.length >= this.#least && this.#spare.length < this.#most) this.#spare.push(buffer);
  }
}

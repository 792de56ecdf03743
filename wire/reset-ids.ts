/**
 * The streams that we reset of late, so that frames that were under way to them are known for what they are. As
 * many are kept as a peer may have had open, twice: a peer with few streams must not be remembered too shortly.
 */
const least = 256;
const most = 4096;

/** ResetIds remembers; the oldest are forgotten first. */
export class ResetIds {
  readonly #ids: Set<number> = new Set();

  /** Remembers `id` of a connection where `streams` may be open at a time. */
  add(id: number, streams: number): void {
    this.#ids.add(id);
    if (this.#ids.size <= 2 * Math.max(least, Math.min(streams, most))) return;
    for (const oldest of this.#ids) {
      this.#ids.delete(oldest);
      return;
    }
  }

  has(id: number): boolean {
    return this.#ids.has(id);
  }
}

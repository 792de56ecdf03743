import type { Stream } from './stream.ts';

const leastSlots = 16;

/**
 * StreamTable finds the streams of a connection by their ids.
 *
 * Not a Map: each time a Map of short-lived entries is rebuilt, its old table goes on pointing at the new one and at
 * every entry it had. Once such a table has reached the old generation, everything behind it survives each minor
 * collection; with a few hundred calls in flight that doubled the CPU of a call. Here slots are emptied in place.
 *
 * Open addressing with linear probing; ids follow each other, so neighbours rarely meet. Ref: Knuth, The Art of
 * Computer Programming, volume 3, section 6.4, algorithm R for the removal.
 */
export class StreamTable {
  /** Streams in the table. */
  size = 0;
  #slots: (Stream | undefined)[] = new Array(leastSlots).fill(undefined);
  #mask: number = leastSlots - 1;

  get(id: number): Stream | undefined {
    const slots = this.#slots;
    for (let at = (id >>> 1) & this.#mask; ; at = (at + 1) & this.#mask) {
      const stream = slots[at];
      if (stream === undefined || stream.id === id) return stream;
    }
  }

  /** Adds a stream whose id is not in the table. */
  add(stream: Stream): void {
    if (this.size * 2 >= this.#slots.length) this.#grow();
    this.#put(stream);
    this.size++;
  }

  /** Takes a stream out; nothing happens when it is not there. */
  delete(id: number): void {
    const slots = this.#slots;
    const mask = this.#mask;
    let hole = (id >>> 1) & mask;
    while (slots[hole]?.id !== id) {
      if (slots[hole] === undefined) return;
      hole = (hole + 1) & mask;
    }
    this.size--;
    // Moves up what would no longer be found beyond the hole.
    for (let at = (hole + 1) & mask; ; at = (at + 1) & mask) {
      const stream = slots[at];
      if (stream === undefined) break;
      const home = (stream.id >>> 1) & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      slots[hole] = stream;
      hole = at;
    }
    slots[hole] = undefined;
  }

  /** All streams as they are now, in no order; what is done to them does not disturb the walk. */
  list(): Stream[] {
    return this.#slots.filter((stream) => stream !== undefined);
  }

  #put(stream: Stream): void {
    let at = (stream.id >>> 1) & this.#mask;
    while (this.#slots[at] !== undefined) at = (at + 1) & this.#mask;
    this.#slots[at] = stream;
  }

  #grow(): void {
    const streams = this.list();
    this.#slots = new Array(this.#slots.length * 2).fill(undefined);
    this.#mask = this.#slots.length - 1;
    for (const stream of streams) this.#put(stream);
  }
}

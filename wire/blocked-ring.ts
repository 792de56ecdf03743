import type { Stream } from './stream.ts';

/** BlockedRing lets streams that wait for a window take turns, 16 KiB each. */
export class BlockedRing {
  #streams: Stream[] = [];
  #pumping = false;

  /** Whether a stream waits. */
  get waits(): boolean {
    return this.#streams.length > 0;
  }

  /** Puts a stream at the end, unless it stands in the ring. */
  add(stream: Stream): void {
    if (stream.inRing) return;
    stream.inRing = true;
    this.#streams.push(stream);
  }

  /** Sends in turns until nothing can go. A stream whose own window is shut leaves; its WINDOW_UPDATE brings it back. */
  pump(open: () => boolean): void {
    // A listener that hears of sent octets may write more: those wait for the round that is on.
    if (this.#pumping) return;
    this.#pumping = true;
    this.#rounds(open);
    this.#pumping = false;
  }

  #rounds(open: () => boolean): void {
    while (this.#streams.length > 0 && open()) {
      const round = this.#streams;
      this.#streams = [];
      let moved = false;
      for (let i = 0; i < round.length; i++) {
        const stream = round[i]!;
        stream.inRing = false;
        if (stream.closed) continue;
        if (open() && stream.pump()) moved = true;
        if (!stream.closed && stream.waits && stream.sendWindow > 0) this.add(stream);
      }
      if (!moved) return;
    }
  }
}

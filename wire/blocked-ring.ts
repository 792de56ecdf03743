import type { Stream } from './stream.ts';

/** BlockedRing lets streams that wait for a window take turns, 16 KiB each. */
export class BlockedRing {
  #streams: Stream[] = [];

  /** Puts a stream at the end, unless it stands in the ring. */
  add(stream: Stream): void {
    if (stream.inRing) return;
    stream.inRing = true;
    this.#streams.push(stream);
  }

  /** Sends in turns until nothing can go. A stream whose own window is shut leaves; its WINDOW_UPDATE brings it back. */
  pump(open: () => boolean): void {
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

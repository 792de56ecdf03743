import { BlockedRing } from './blocked-ring.ts';
import { defaultWindow } from './frames.ts';
import type { Output } from './output.ts';
import type { Stream } from './stream.ts';

/** How long the send window may stay shut before new calls go elsewhere, in milliseconds. */
const stuckMs = 100;

/** Sending decides which DATA may leave: the connection's send window, the socket, and whose turn it is. */
export class Sending {
  /** The connection's send window. Ref: RFC 9113 section 6.9. */
  window: number = defaultWindow;
  readonly #output: Output;
  readonly #now: () => number;
  readonly #blocked = new BlockedRing();
  readonly #open: () => boolean;
  #starvedAt = 0;

  constructor(output: Output, now: () => number) {
    this.#output = output;
    this.#now = now;
    this.#open = () => this.window > 0 && !output.congested && output.room > 0;
  }

  /** The window has been shut for long: what is sent now would wait. */
  get stuck(): boolean {
    return this.#starvedAt !== 0 && this.#now() - this.#starvedAt >= stuckMs;
  }

  /** How many of `bytes` of a stream the windows and the socket let through now. */
  passes(stream: Stream, bytes: number): number {
    if (this.window <= 0) {
      if (this.#starvedAt === 0) this.#starvedAt = this.#now();
      return 0;
    }
    if (this.#output.congested || stream.sendWindow <= 0) return 0;
    return Math.max(0, Math.min(bytes, stream.sendWindow, this.window, this.#output.room));
  }

  /** Puts a stream among those that wait. */
  block(stream: Stream): void {
    this.#blocked.add(stream);
    if (this.#open() && stream.sendWindow > 0) this.#blocked.pump(this.#open);
  }

  /** The socket has room again. */
  drained(): void {
    this.#output.congested = false;
    this.pump();
  }

  /** Sends what may go by now, in turns. */
  pump(): void {
    if (this.#blocked.waits && this.#open()) this.#blocked.pump(this.#open);
  }

  /** The peer's WINDOW_UPDATE has been added. True: calls that went elsewhere may come back. */
  refilled(): boolean {
    if (this.window <= 0) return false;
    const wasStarved = this.#starvedAt !== 0;
    this.#starvedAt = 0;
    this.pump();
    return wasStarved;
  }
}

/**
 * The streams that we reset of late are remembered, so that frames that were under way to them are known for what
 * they are: twice as many as may be open at a time, within these.
 */
const leastRemembered = 256;
const mostRemembered = 4096;

/** StreamIds knows which streams have been, by their numbers alone. Ref: RFC 9113 section 5.1.1. */
export class StreamIds {
  readonly #isServer: boolean;
  readonly #reset: Set<number> = new Set();
  /** The highest that was forgotten: nobody knows any more who ended those below it. */
  #forgotten = 0;
  /** Client: the next stream that we open. */
  next = 1;
  /** Server: the highest stream that the peer has opened. */
  last = 0;
  /** Server, draining: streams above it are not taken up. */
  lastTaken: number = Number.POSITIVE_INFINITY;

  constructor(role: 'client' | 'server') {
    this.#isServer = role === 'server';
  }

  /** Streams that were never opened, by either side. */
  isIdle(id: number): boolean {
    return (id & 1) === 0 || (this.#isServer ? id > this.last : id >= this.next);
  }

  /** We reset `id`, on a connection where `streams` may be open at a time. */
  rememberReset(id: number, streams: number): void {
    this.#reset.add(id);
    if (this.#reset.size <= 2 * Math.max(leastRemembered, Math.min(streams, mostRemembered))) return;
    for (const oldest of this.#reset) {
      this.#reset.delete(oldest);
      this.#forgotten = Math.max(this.#forgotten, oldest);
      return;
    }
  }

  /**
   * Whether frames for `id`, which is closed, may be under way for a reset of ours. Where more were reset than are
   * remembered, such as by a storm of deadlines, it is assumed: a late answer must not end a connection that others use.
   */
  wasReset(id: number): boolean {
    return id <= this.#forgotten || this.#reset.has(id);
  }
}

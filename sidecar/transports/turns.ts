import { AsyncLocalStorage } from 'node:async_hooks';

/** What has something to deliver. */
export interface Delivering {
  /** Delivers what has come. Answers how much that was: one for each thing, and more for many octets. */
  deliver(): number;
}

/** Deliveries before timers and sockets have their turn: some thirty unary calls, or a mebibyte. */
const standardMost = 256;

/**
 * Turns are when streams in memory deliver: as microtasks, so that nobody is called from inside a call of its own, and
 * after so many of them in a turn of the event loop. Without that, two sides that never wait would keep timers,
 * and with them deadlines, from ever being looked at.
 *
 * Nothing of whoever sent is visible to whoever receives, as over a socket: deliveries run outside of every
 * AsyncLocalStorage.
 */
export class Turns {
  readonly #outside: (work: () => void) => void = AsyncLocalStorage.snapshot();
  #queue: Delivering[] = [];
  readonly #most: number;
  #left: number;
  #scheduled = false;

  /** `most`: deliveries before timers and sockets have their turn. */
  constructor(most: number = standardMost) {
    this.#most = most;
    this.#left = most;
  }

  readonly #run = (): void => this.#outside(this.#deliverAll);
  readonly #newTurn = (): void => {
    this.#left = this.#most;
    this.#run();
  };

  /** `end` has something to deliver. It asks once until it was asked to. */
  add(end: Delivering): void {
    this.#queue.push(end);
    if (!this.#scheduled) this.#schedule();
  }

  #schedule(): void {
    this.#scheduled = true;
    if (this.#left > 0) queueMicrotask(this.#run);
    else setImmediate(this.#newTurn);
  }

  readonly #deliverAll = (): void => {
    const queue = this.#queue;
    let at = 0;
    try {
      while (at < queue.length && this.#left > 0) this.#left -= queue[at++]!.deliver();
    } finally {
      // One that has thrown is a bug of ours: the others must not wait for ever.
      if (at === queue.length) queue.length = 0;
      else queue.splice(0, at);
      this.#scheduled = false;
      if (queue.length > 0) this.#schedule();
    }
  };
}

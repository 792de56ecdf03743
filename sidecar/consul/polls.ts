/**
 * How many questions may hang at Consul at one time: an agent holds 200 connections per client address, and a
 * host has many sidecars.
 */
export const mostPolls: number = 12;
/** Longest that one question may hang, milliseconds: after a wipe Consul hangs for the whole of it. */
const longestWaitMs = 30_000;
/** The same while other watches stand in line. */
const sharedWaitMs = 2000;

/** The right to let one question hang. */
export interface Place {
  /** How long it may hang, milliseconds. */
  readonly waitMs: number;
  /** Aborts when the watch is to stop, or to make room for another. */
  readonly signal: AbortSignal;
  /** Gives the place back. */
  leave(): void;
}

/** A place that is taken. */
interface Holder {
  readonly room: AbortController;
  readonly isLong: boolean;
}

/**
 * Polls hands out the places for questions that hang, first come first served. When there are more watches than
 * places, those that would hang for long are asked to make room, and all take short turns.
 */
export class Polls {
  #free: number;
  readonly #line: (() => void)[] = [];
  readonly #holders: Set<Holder> = new Set();
  readonly #random: () => number;

  constructor(random: () => number, places: number = mostPolls) {
    this.#random = random;
    this.#free = places;
  }

  /** Watches that stand in line. */
  get waiting(): number {
    return this.#line.length;
  }

  /** Settles with a place when there is one, with null when `signal` aborts before. */
  enter(signal: AbortSignal): Promise<Place | null> {
    if (signal.aborted) return Promise.resolve(null);
    if (this.#free > 0) {
      this.#free--;
      return Promise.resolve(this.#place(signal, true));
    }
    this.#makeRoom();
    return new Promise((settle) => {
      const turn = (): void => {
        signal.removeEventListener('abort', leave);
        // Who had to wait takes a short turn, so that nobody has to be asked for this place again.
        settle(this.#place(signal, false));
      };
      const leave = (): void => {
        this.#line.splice(this.#line.indexOf(turn), 1);
        settle(null);
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#line.push(turn);
    });
  }

  #place(signal: AbortSignal, isLong: boolean): Place {
    const holder: Holder = { room: new AbortController(), isLong };
    this.#holders.add(holder);
    const stop = (): void => holder.room.abort();
    signal.addEventListener('abort', stop, { once: true });
    return {
      // Spread, so that watches that began together do not come back together.
      waitMs: Math.floor((isLong ? longestWaitMs : sharedWaitMs) * (0.8 + 0.2 * this.#random())),
      signal: holder.room.signal,
      leave: () => {
        if (!this.#holders.delete(holder)) return;
        signal.removeEventListener('abort', stop);
        const next = this.#line.shift();
        if (next !== undefined) next();
        else this.#free++;
      },
    };
  }

  /** The one that has hung the longest, of those that would hang for long. */
  #makeRoom(): void {
    for (const { room, isLong } of this.#holders)
      if (isLong && !room.signal.aborted) {
        room.abort();
        return;
      }
  }
}

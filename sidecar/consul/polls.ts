/**
 * How many questions may hang at Consul at one time: an agent holds 200 connections per client address, and a
 * host has many sidecars.
 */
export const mostPolls: number = 12;
/** Longest that one question may hang, milliseconds: after a wipe Consul hangs for the whole of it. */
const longestWaitMs = 30_000;
/** The same while other watches stand in line. */
const sharedWaitMs = 2000;

/**
 * Polls hands out the places for questions that hang. First questions need none: they are answered at once.
 */
export class Polls {
  #free: number;
  readonly #line: (() => void)[] = [];

  constructor(places: number = mostPolls) {
    this.#free = places;
  }

  /** Watches that stand in line. */
  get waiting(): number {
    return this.#line.length;
  }

  /** How long the next question may hang, milliseconds; less when others wait for their turn. */
  waitMs(random: () => number): number {
    const longest = this.#line.length > 0 ? sharedWaitMs : longestWaitMs;
    // Spread, so that watches that began together do not come back together.
    return Math.floor(longest * (0.8 + 0.2 * random()));
  }

  /** Settles with true when there is a place, first come first served; with false when `signal` aborts. */
  enter(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    if (this.#free > 0) {
      this.#free--;
      return Promise.resolve(true);
    }
    return new Promise((settle) => {
      const turn = (): void => {
        signal.removeEventListener('abort', leave);
        settle(true);
      };
      const leave = (): void => {
        const place = this.#line.indexOf(turn);
        if (place >= 0) this.#line.splice(place, 1);
        settle(false);
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#line.push(turn);
    });
  }

  /** Gives a place back. */
  leave(): void {
    const next = this.#line.shift();
    if (next !== undefined) next();
    else this.#free++;
  }
}

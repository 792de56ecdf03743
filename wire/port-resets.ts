const windowMs = 1000;

/**
 * PortResets adds up, over the second, what callers of one port have given up young and unanswered, where nobody
 * proves who is who: without it each new connection would buy another sample, and what is paid for them all with is
 * the connection to a peer that all of them share.
 */
export class PortResets {
  readonly #sample: number;
  readonly #now: () => number;
  #since = 0;
  #given = 0;
  #lost = 0;

  /** `sample`: streams given up in a second before anybody is judged for it. */
  constructor(sample: number, now: () => number) {
    this.#sample = sample;
    this.#now = now;
  }

  /** A stream was reset; true when there are too many. */
  reset(): boolean {
    this.#roll();
    return ++this.#given > this.#sample;
  }

  /** A stream ended with its connection. */
  lost(): void {
    this.#roll();
    this.#given++;
    this.#lost++;
  }

  /** Whether so many ended with their connections that another one is too much for this second. */
  get churns(): boolean {
    this.#roll();
    return this.#lost > this.#sample;
  }

  #roll(): void {
    const now = this.#now();
    if (now - this.#since < windowMs) return;
    this.#since = now;
    this.#given = 0;
    this.#lost = 0;
  }
}

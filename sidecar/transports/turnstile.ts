/** Turnstile lets a number of things go on at once; the others wait their turn, first come first served. */
export class Turnstile {
  readonly #limit: number;
  #inside = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Runs `begin` now or when a place is free; `begin` owes one `leave()`. */
  enter(begin: () => void): void {
    if (this.#inside >= this.#limit) {
      this.#waiting.push(begin);
      return;
    }
    this.#inside++;
    begin();
  }

  leave(): void {
    const next = this.#waiting.shift();
    if (next !== undefined) next();
    else this.#inside--;
  }
}

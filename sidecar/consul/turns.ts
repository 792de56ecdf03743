/** Lets at most so many go on at one time; the others stand in line, those that a call may wait for in front. */
export class Turns {
  #free: number;
  readonly #urgent: (() => void)[] = [];
  readonly #line: (() => void)[] = [];

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  /** Those that stand in line. */
  get waiting(): number {
    return this.#urgent.length + this.#line.length;
  }

  /** Does `work` when its turn has come, at once if it can, and settles as it does; with null when `signal` aborts before. */
  async take<T>(signal: AbortSignal, urgent: boolean, work: () => Promise<T>): Promise<T | null> {
    if (signal.aborted) return null;
    if (this.#free > 0) this.#free--;
    else if (!(await this.#stand(signal, urgent ? this.#urgent : this.#line))) return null;
    try {
      return await work();
    } finally {
      const next = this.#urgent.shift() ?? this.#line.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }

  #stand(signal: AbortSignal, line: (() => void)[]): Promise<boolean> {
    return new Promise((settle) => {
      const turn = (): void => {
        signal.removeEventListener('abort', leave);
        settle(true);
      };
      const leave = (): void => {
        line.splice(line.indexOf(turn), 1);
        settle(false);
      };
      signal.addEventListener('abort', leave, { once: true });
      line.push(turn);
    });
  }
}

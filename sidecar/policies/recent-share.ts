const slots = 10;
const slotMs = 1000;

/** RecentShare counts the calls of the last ten seconds, and those among them that were refused. */
export class RecentShare {
  readonly #calls: Uint32Array = new Uint32Array(slots);
  readonly #refused: Uint32Array = new Uint32Array(slots);
  #slot = 0;
  #slotEndsAt: number;
  #allCalls = 0;
  #allRefused = 0;

  /** `now` in monotonic milliseconds, here and below. */
  constructor(now: number) {
    this.#slotEndsAt = now + slotMs;
  }

  /** One call more. */
  call(now: number): void {
    if (now >= this.#slotEndsAt) this.#turn(now);
    this.#calls[this.#slot]!++;
    this.#allCalls++;
  }

  /** Counts the call as refused, unless they are more than `share` then, 0 to 1. */
  refuse(share: number): boolean {
    if (this.#allRefused + 1 > this.#allCalls * share) return false;
    this.#refused[this.#slot]!++;
    this.#allRefused++;
    return true;
  }

  #turn(now: number): void {
    for (let turned = 0; now >= this.#slotEndsAt && turned < slots; turned++) {
      this.#slot = (this.#slot + 1) % slots;
      this.#allCalls -= this.#calls[this.#slot]!;
      this.#allRefused -= this.#refused[this.#slot]!;
      this.#calls[this.#slot] = 0;
      this.#refused[this.#slot] = 0;
      this.#slotEndsAt += slotMs;
    }
    if (now >= this.#slotEndsAt) this.#slotEndsAt = now + slotMs;
  }
}

/** Newest takes what comes one at a time, and of what comes meanwhile the newest alone. */
export class Newest<T> {
  readonly #take: (value: T) => Promise<void>;
  readonly #isClosed: () => boolean;
  #next: { readonly value: T } | null = null;
  #busy = false;

  /** `isClosed`: nothing is taken any more. */
  constructor(take: (value: T) => Promise<void>, isClosed: () => boolean) {
    this.#take = take;
    this.#isClosed = isClosed;
  }

  /** Resolves when it, or what came after it, is taken; at once while another is being taken. */
  async hear(value: T): Promise<void> {
    this.#next = { value };
    if (this.#busy) return;
    this.#busy = true;
    while (this.#next !== null && !this.#isClosed()) {
      const { value: newest }: { readonly value: T } = this.#next;
      this.#next = null;
      await this.#take(newest);
    }
    this.#busy = false;
  }
}

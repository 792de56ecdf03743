/**
 * Cell holds a value that is replaced, never edited: one writer, many readers.
 */
export class Cell<T> {
  #value: T;
  readonly #listeners: Set<(value: T) => void> = new Set();

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  /** Swaps the value in one assignment, then tells the listeners in the order they came. */
  set(value: T): void {
    this.#value = value;
    for (const listener of [...this.#listeners]) listener(value);
  }

  /** Hears every later value; the answer takes the listener off again. */
  listen(listener: (value: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

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

  /**
   * Swaps the value in one assignment, then tells the listeners in the order they came. One that throws keeps no
   * other from hearing: what it threw is thrown at the end, several as one AggregateError.
   */
  set(value: T): void {
    this.#value = value;
    const thrown: unknown[] = [];
    for (const listener of [...this.#listeners])
      try {
        listener(value);
      } catch (error) {
        thrown.push(error);
      }
    if (thrown.length === 1) throw thrown[0];
    if (thrown.length > 1) throw new AggregateError(thrown, `${thrown.length} listeners of a value failed`);
  }

  /** Hears every later value; the answer takes the listener off again. */
  listen(listener: (value: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** One in a queue, between its neighbours, which the queue alone may change. */
export interface Queued<T> {
  ahead: T | null;
  behind: T | null;
}

/** Queue is first come, first served; whoever stands in it can leave at once, from wherever that is. */
export class Queue<T extends Queued<T>> {
  first: T | null = null;
  size = 0;
  #last: T | null = null;

  add(one: T): void {
    one.ahead = this.#last;
    if (this.#last === null) this.first = one;
    else this.#last.behind = one;
    this.#last = one;
    this.size++;
  }

  /** Takes out one that is in it. */
  remove(one: T): void {
    const { ahead, behind } = one;
    if (ahead === null) this.first = behind;
    else ahead.behind = behind;
    if (behind === null) this.#last = ahead;
    else behind.ahead = ahead;
    one.ahead = null;
    one.behind = null;
    this.size--;
  }
}

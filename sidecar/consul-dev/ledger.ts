import type { Time } from './time.ts';

/** Why a wait ended. */
type Woken = 'changed' | 'late' | 'gone';

/** One query that holds still until something that concerns it is written. */
interface Waiter {
  concerns(topic: string): boolean;
  wake(why: Woken): void;
}

/** A wait that has begun: what is written from now on is not missed. */
export interface Wait {
  /** Settles at the first write that concerns it, at `until` (monotonic milliseconds), or when the ledger closes. */
  over(until: number): Promise<Woken>;
  /** Ends it as `gone`. */
  end(): void;
}

/**
 * Ledger counts writes as a leader's log does, and remembers for each topic when it was last written.
 *
 * A topic is a name such as `service:web` or `roots`. A blocking query answers with the index of its own topics,
 * so that it need not wake for what others write.
 */
export class Ledger {
  readonly #time: Time;
  readonly #topics: Map<string, number> = new Map();
  readonly #waiters: Set<Waiter> = new Set();
  // An agent that has just started is not at zero: clients must take whatever number they are given.
  #index = 10;
  #closed = false;

  constructor(time: Time) {
    this.#time = time;
  }

  /** The last write. */
  get index(): number {
    return this.#index;
  }

  /** Queries that wait. */
  get waiting(): number {
    return this.#waiters.size;
  }

  /** Counts one write and wakes whom its topics concern; the answer is its index. */
  write(...topics: readonly string[]): number {
    const index = ++this.#index;
    for (const topic of topics) this.#topics.set(topic, index);
    for (const waiter of this.#waiters) if (topics.some(waiter.concerns)) waiter.wake('changed');
    return index;
  }

  /** Wakes whom a topic concerns without a write: what they wait for is not in the log. */
  nudge(topic: string): void {
    for (const waiter of this.#waiters) if (waiter.concerns(topic)) waiter.wake('changed');
  }

  /** When the topic was last written; undefined for one that is unknown. */
  at(topic: string): number | undefined {
    return this.#topics.get(topic);
  }

  /** The last write to any of the topics, at least 1: an index of 0 would make clients spin. */
  last(...topics: readonly string[]): number {
    return Math.max(1, ...topics.map((topic) => this.#topics.get(topic) ?? 0));
  }

  /** Forgets a topic, so that memory does not follow names that came and went. */
  forget(topic: string): void {
    this.#topics.delete(topic);
  }

  /** Begins to wait for writes that concern the caller. */
  wait(concerns: (topic: string) => boolean): Wait {
    let settle: (why: Woken) => void = () => {};
    let why: Woken | null = this.#closed ? 'gone' : null;
    let cancel = (): void => {};
    const waiter: Waiter = {
      concerns,
      wake: (reason) => {
        this.#waiters.delete(waiter);
        cancel();
        why ??= reason;
        settle(why);
      },
    };
    if (why === null) this.#waiters.add(waiter);
    return {
      over: (until) => {
        if (why !== null) return Promise.resolve(why);
        cancel = this.#time.after(Math.max(0, until - this.#time.now()), () => waiter.wake('late'));
        return new Promise((resolve) => {
          settle = resolve;
        });
      },
      end: () => waiter.wake('gone'),
    };
  }

  /** Ends every wait. */
  close(): void {
    this.#closed = true;
    for (const waiter of [...this.#waiters]) waiter.wake('gone');
  }
}

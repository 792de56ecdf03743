import type { ConsulDoor } from '../consul/door.ts';
import type { Clock } from '../core/kit.ts';

/** How long the list of names is good enough for a message, milliseconds. */
const freshMs = 10_000;

/**
 * Catalog knows the names in Consul, for the message of a call to a name that nobody has seen. Asked only then,
 * and at most every 10 s.
 */
export class Catalog {
  readonly #door: ConsulDoor;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  #names: ReadonlySet<string> = new Set();
  #askedAt = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | null = null;

  constructor(door: ConsulDoor, clock: Clock, signal: AbortSignal) {
    this.#door = door;
    this.#clock = clock;
    this.#signal = signal;
  }

  /** The names of the last answer; empty while there was none. */
  get names(): ReadonlySet<string> {
    return this.#names;
  }

  /** Settles when the names are fresh, or cannot be had. Never rejects. */
  refresh(): Promise<void> {
    if (this.#clock.now() - this.#askedAt < freshMs) return this.#asking ?? Promise.resolve();
    this.#askedAt = this.#clock.now();
    this.#asking = this.#door.names(this.#signal).then(
      (names) => {
        this.#names = new Set(names);
        this.#asking = null;
      },
      () => {
        // A message without near names is still a message; the watch itself reports what ails Consul.
        this.#asking = null;
      },
    );
    return this.#asking;
  }
}

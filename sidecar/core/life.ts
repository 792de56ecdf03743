import type { Status } from './status.ts';

/** Whoever keeps a call from ending at this moment: a queue, a dial, a back-off, an attempt. */
export interface Waiter {
  /** Called once, when the call is cancelled; must stop the work and settle what is pending. */
  cancelled(status: Status): void;
}

/**
 * Life is the only mutable part of a call, shared by all its derivations: who waits, and how it ended.
 *
 * At most one waiter is registered at a time; the newest replaces the one before.
 */
export class Life {
  /** How the call ended, or null while it runs. Written once. */
  outcome: Status | null = null;
  /** Monotonic milliseconds of the last byte in either direction; what the idle timeout looks at. */
  touchedAt: number;
  #waiter: Waiter | null = null;

  constructor(now: number) {
    this.touchedAt = now;
  }

  /** Registers who is to be told of a cancellation; tells at once when it has already happened. */
  wait(waiter: Waiter): void {
    if (this.outcome !== null) waiter.cancelled(this.outcome);
    else this.#waiter = waiter;
  }

  /** Takes back a registration, if it is still this waiter's. */
  leave(waiter: Waiter): void {
    if (this.#waiter === waiter) this.#waiter = null;
  }

  /** Ends the call from above: caller gone, deadline passed, shutdown. The first outcome holds. */
  cancel(status: Status): void {
    if (this.outcome !== null) return;
    this.outcome = status;
    const waiter = this.#waiter;
    this.#waiter = null;
    waiter?.cancelled(status);
  }

  /** Records that the reply ended by itself. The first outcome holds. */
  settle(status: Status): void {
    if (this.outcome !== null) return;
    this.outcome = status;
    this.#waiter = null;
  }
}

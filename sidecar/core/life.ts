import type { Call } from './call.ts';
import type { EndpointView } from './endpoint.ts';
import type { Clock } from './kit.ts';
import type { Status } from './status.ts';

/** What a call can wait for on this side, each counted by itself; what is left was spent at its peer. */
export type Spending = 'pickMs' | 'queueMs' | 'connectMs' | 'waitMs';

/** Whoever keeps a call from ending at this moment: a queue, a dial, a back-off, an attempt. */
export interface Waiter {
  /** Called once, when the call is cancelled; must stop the work and settle what is pending. */
  cancelled(status: Status): void;
  /** What the call is waiting for, for messages: `waiting for a connection to 10.0.0.7:50051`. Asked only on failure. */
  readonly doing?: string;
  /** The call as it goes to its peer, and whether the peer may have started on it. Asked only when calls are judged again. */
  readonly call?: Call;
  readonly reached?: boolean;
  /** It is at a verified sidecar, which says itself where the time went when it ends the call. */
  readonly tells?: boolean;
  /** Where its time counts, and the monotonic milliseconds since when. Asked only of calls that take long. */
  readonly spending?: Spending;
  readonly since?: number;
}

/** Whoever must know that a call is over: a counter, a deadline, a verdict. One object per call and witness. */
export interface Witness {
  /** Called once, with the outcome. Must not throw. */
  over(status: Status): void;
  /** Owned by the life: the witness that registered before. */
  earlier: Witness | null;
}

/**
 * Life is the only mutable part of a call, shared by all its derivations: who waits, where it is, and how it ended.
 *
 * At most one waiter is registered at a time; the newest replaces the one before. Whoever made the call (a
 * listener, a probe, an in-process transport) ends the life of every call: by `settle` when the reply is over or
 * when the stack threw, by `cancel` when the caller is gone. Filters rely on it.
 */
export class Life {
  /** How the call ended, or null while it runs. Written once. */
  outcome: Status | null = null;
  /** Correlation id, written by correlate: for what the mesh itself answers. */
  id = '';
  /** Monotonic milliseconds of the last byte in either direction; what the idle timeout looks at. */
  touchedAt: number;
  /** Message bytes from the caller and to the caller so far; written by the transport that holds its stream. */
  requestBytes = 0;
  responseBytes = 0;
  /** The endpoint of the latest attempt, written by balance; retry looks elsewhere next. */
  at: EndpointView | null = null;
  /** Attempts that have left for an endpoint; written by balance. */
  attempts = 0;
  /** Half of the time that was granted is over; written by deadline. */
  isSlow = false;
  /** Whole milliseconds: small integers lie in the object itself, a fraction would be an object for each call. */
  readonly bornAt: number;
  /** When the first attempt left for its peer; 0: none has. */
  sentAt = 0;
  /** Before the first attempt: to learn who can be called, and our own work. */
  pickMs = 0;
  /** For room on a connection, for a connection that is made, and between attempts. */
  queueMs = 0;
  connectMs = 0;
  waitMs = 0;
  #endedAt = 0;
  #waiter: Waiter | null = null;
  #witness: Witness | null = null;
  /** The newest span. Apart from the others: the loop that every call runs meets few kinds of witness, and is fast for that. */
  #span: Witness | null = null;

  constructor(now: number) {
    this.touchedAt = now;
    this.bornAt = Math.floor(now);
  }

  /** What the call is waiting for, in words; empty when nobody says. */
  get doing(): string {
    return this.#waiter?.doing ?? '';
  }

  /** The call as it goes to its peer; null before, after, and where nobody says. */
  get call(): Call | null {
    return this.#waiter?.call ?? null;
  }

  /** Whether the peer may have started on the call. */
  get reached(): boolean {
    return this.#waiter?.reached ?? false;
  }

  /** Whether who holds the call will say itself where its time went. */
  get tells(): boolean {
    return this.#waiter?.tells ?? false;
  }

  /** An attempt leaves for its peer. */
  sent(now: number): void {
    if (this.sentAt > 0) return;
    this.sentAt = Math.floor(now);
    const ours = this.sentAt - this.bornAt - this.queueMs - this.connectMs - this.waitMs;
    this.pickMs = Math.max(this.pickMs, ours);
  }

  /** The call has waited for `ms`. */
  spend(on: Spending, ms: number): void {
    this[on] += Math.max(0, Math.round(ms));
  }

  /** Whole milliseconds that it has waited so, a wait that is not over included. */
  spent(on: Spending, now: number): number {
    const waiter = this.#waiter;
    const waiting = waiter?.spending === on ? now - (waiter.since ?? now) : 0;
    return this[on] + Math.max(0, Math.round(waiting));
  }

  /** When it ended, monotonic milliseconds: several witnesses ask, and the clock is read once. For calls that are over. */
  endedAt(clock: Clock): number {
    if (this.#endedAt === 0) this.#endedAt = clock.now();
    return this.#endedAt;
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

  /** Registers who is to be told of the end, whatever it is; tells at once when it has already come. */
  witness(witness: Witness): void {
    if (this.outcome !== null) {
      witness.over(this.outcome);
      return;
    }
    witness.earlier = this.#witness;
    this.#witness = witness;
  }

  /** As `witness`, for the spans of a sampled call, which are told after all others. */
  witnessAsSpan(span: Witness): void {
    if (this.outcome !== null) {
      span.over(this.outcome);
      return;
    }
    span.earlier = this.#span;
    this.#span = span;
  }

  /** Takes all spans off again, as `forget` does for a witness. */
  forgetSpans(): void {
    this.#span = null;
  }

  /** Takes a witness off again; for filters that clean up after a bug below them. */
  forget(witness: Witness): void {
    if (this.#witness === witness) this.#witness = witness.earlier;
    else {
      let later = this.#witness;
      while (later !== null && later.earlier !== witness) later = later.earlier;
      if (later !== null) later.earlier = witness.earlier;
    }
    witness.earlier = null;
  }

  /**
   * Ends the call from above: caller gone, deadline passed, shutdown. The first outcome holds. Answers whether a waiter
   * was told: then the work has stopped, and nothing of the call begins any more.
   */
  cancel(status: Status): boolean {
    if (this.outcome !== null) return false;
    this.outcome = status;
    const waiter = this.#waiter;
    this.#waiter = null;
    waiter?.cancelled(status);
    this.#tell(status);
    return waiter !== null;
  }

  /** Records that the reply ended by itself. The first outcome holds. */
  settle(status: Status): void {
    if (this.outcome !== null) return;
    this.outcome = status;
    this.#waiter = null;
    this.#tell(status);
  }

  #tell(status: Status): void {
    let witness = this.#witness;
    this.#witness = null;
    while (witness !== null) {
      const earlier: Witness | null = witness.earlier;
      witness.earlier = null;
      witness.over(status);
      witness = earlier;
    }
    if (this.#span !== null) this.#tellSpans(status);
  }

  /** The same loop again on purpose: in one for both, spans would be among the kinds that every call's loop meets. */
  #tellSpans(status: Status): void {
    let span = this.#span;
    this.#span = null;
    while (span !== null) {
      const earlier: Witness | null = span.earlier;
      span.earlier = null;
      span.over(status);
      span = earlier;
    }
  }
}

import type { Attempt, Call } from '../core/call.ts';
import type { Clock } from '../core/kit.ts';
import type { Spending, Waiter } from '../core/life.ts';
import type { Link } from '../core/link.ts';
import { Queue, type Queued } from '../core/queue.ts';
import { type Reply, refuse } from '../core/reply.ts';
import type { Status } from '../core/status.ts';

/**
 * CallQueue keeps attempts that wait for a connection, first come first served. A cancelled one leaves at once, from
 * wherever it stands.
 */
export class CallQueue {
  readonly #for: string;
  readonly #clock: Clock;
  readonly #waiting: Queue<WaitingCall> = new Queue();

  /** `address` is for messages. */
  constructor(address: string, clock: Clock) {
    this.#for = address;
    this.#clock = clock;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Waits for `send` or `refuse`, or for the call's cancellation. `spending`: what the time counts as. */
  add(attempt: Attempt, spending: Spending): Promise<Reply> {
    return new Promise((resolve) => {
      const since = this.#clock.now();
      const waiting = new WaitingCall(this, attempt, this.#for, resolve, spending, since);
      this.#waiting.add(waiting);
      attempt.call.life.wait(waiting);
    });
  }

  /** Sends the first over `link`, at a monotonic time in milliseconds. */
  send(link: Link, now: number): void {
    const waiting = this.#waiting.first;
    if (waiting === null) return;
    this.remove(waiting);
    const { life } = waiting.attempt.call;
    life.leave(waiting);
    // Its bytes go now: what it waited for a connection is no slowness of the peer's.
    life.touchedAt = now;
    waiting.resolve(link.send(waiting.attempt));
  }

  /** Answers all that wait with `status`. */
  refuse(status: Status): void {
    for (let waiting = this.#waiting.first; waiting !== null; waiting = this.#waiting.first) {
      this.remove(waiting);
      waiting.attempt.call.life.leave(waiting);
      waiting.resolve(refuse(status));
    }
  }

  /** For WaitingCall: takes it out. */
  remove(waiting: WaitingCall): void {
    waiting.attempt.call.life.spend(waiting.spending, this.#clock.now() - waiting.since);
    this.#waiting.remove(waiting);
  }
}

/** One attempt in the queue. */
class WaitingCall implements Waiter, Queued<WaitingCall> {
  ahead: WaitingCall | null = null;
  behind: WaitingCall | null = null;
  readonly attempt: Attempt;
  readonly resolve: (reply: Reply | Promise<Reply>) => void;
  readonly spending: Spending;
  readonly since: number;
  readonly #queue: CallQueue;
  readonly #for: string;

  constructor(
    queue: CallQueue,
    attempt: Attempt,
    address: string,
    resolve: (reply: Reply | Promise<Reply>) => void,
    spending: Spending,
    since: number,
  ) {
    this.#queue = queue;
    this.attempt = attempt;
    this.#for = address;
    this.resolve = resolve;
    this.spending = spending;
    this.since = since;
  }

  get doing(): string {
    return `waiting for a connection to ${this.#for}`;
  }

  get call(): Call {
    return this.attempt.call;
  }

  cancelled(status: Status): void {
    this.#queue.remove(this);
    this.resolve(refuse(status));
  }
}

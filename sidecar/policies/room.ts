import type { Life, Waiter, Witness } from '../core/life.ts';
import type { Count, Meter } from '../core/meter.ts';
import type { PolicyValues } from '../core/policy.ts';
import { Queue, type Queued } from '../core/queue.ts';
import type { Status } from '../core/status.ts';

/**
 * Room is how many calls one service takes at a time, and the queue of those that wait for one to end, first come
 * first served. Far below the limit a call costs two additions.
 */
export class Room {
  readonly #service: string;
  readonly #waits: Count;
  readonly #inQueue: Count;
  #most: number;
  #mostWaiting: number;
  #inFlight = 0;
  readonly #waiting: Queue<WaitingCall> = new Queue();

  constructor(service: string, meter: Meter, limit: PolicyValues['limit']) {
    this.#service = service;
    this.#waits = meter.count('outrigger_limit_waits_total', service);
    this.#inQueue = meter.count('outrigger_limit_waiting', service);
    this.#most = limit['in-flight'];
    this.#mostWaiting = limit.waiting;
  }

  /** Nobody is in it. */
  get isEmpty(): boolean {
    return this.#inFlight === 0 && this.#waiting.size === 0;
  }

  /** A call may go at once: there is a place, and nobody came before it. */
  get hasPlace(): boolean {
    return this.#inFlight < this.#most && this.#waiting.size === 0;
  }

  /** No further call may wait either. */
  get isFull(): boolean {
    return this.#waiting.size >= this.#mostWaiting;
  }

  /** What holds now, for messages. */
  get limits(): string {
    return `limit.in-flight is ${this.#most} and limit.waiting is ${this.#mostWaiting}`;
  }

  /** What a call in the queue does, for messages. */
  get doing(): string {
    return `waiting for one of the ${this.#most} calls in flight to service '${this.#service}' to end (limit.in-flight)`;
  }

  /** Takes over what a policy says. Those that wait go at once as far as there is more room now. */
  tune(limit: PolicyValues['limit']): void {
    this.#most = limit['in-flight'];
    this.#mostWaiting = limit.waiting;
    this.#admit();
  }

  /** Takes a place until the call is over. */
  take(life: Life): void {
    this.#inFlight++;
    life.witness(new Place(this));
  }

  /** Waits for a place and takes it; resolves with null, or with why the call was cancelled meanwhile. */
  wait(life: Life): Promise<Status | null> {
    this.#waits.value++;
    return new Promise((resolve) => {
      const waiting = new WaitingCall(this, life, resolve);
      this.#waiting.add(waiting);
      this.#inQueue.value++;
      life.wait(waiting);
    });
  }

  /** For Place: a call is over. */
  leave(): void {
    this.#inFlight--;
    this.#admit();
  }

  /** For WaitingCall: takes it out. */
  remove(waiting: WaitingCall): void {
    this.#waiting.remove(waiting);
    this.#inQueue.value--;
  }

  #admit(): void {
    for (
      let waiting = this.#waiting.first;
      waiting !== null && this.#inFlight < this.#most;
      waiting = this.#waiting.first
    ) {
      this.remove(waiting);
      waiting.life.leave(waiting);
      this.take(waiting.life);
      waiting.resolve(null);
    }
  }
}

/** What one call holds of a room. */
class Place implements Witness {
  earlier: Witness | null = null;
  readonly #room: Room;

  constructor(room: Room) {
    this.#room = room;
  }

  over(): void {
    this.#room.leave();
  }
}

/** One call in the queue. */
class WaitingCall implements Waiter, Queued<WaitingCall> {
  ahead: WaitingCall | null = null;
  behind: WaitingCall | null = null;
  readonly life: Life;
  readonly resolve: (cancelled: Status | null) => void;
  readonly #room: Room;

  constructor(room: Room, life: Life, resolve: (cancelled: Status | null) => void) {
    this.#room = room;
    this.life = life;
    this.resolve = resolve;
  }

  get doing(): string {
    return this.#room.doing;
  }

  cancelled(status: Status): void {
    this.#room.remove(this);
    this.resolve(status);
  }
}

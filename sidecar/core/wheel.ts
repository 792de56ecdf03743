import type { Clock } from './kit.ts';

/** One entry of the wheel: a call's deadline, an idle timeout, a back-off. Reusable after it fired. */
export abstract class Timer {
  /** Owned by the wheel: the slot it lies in, or -1. */
  slot = -1;
  /** Owned by the wheel: when it is due, monotonic milliseconds. */
  dueAt = 0;
  /** Owned by the wheel: neighbours in the slot. */
  before: Timer | null = null;
  after: Timer | null = null;
  /** Called once per arming, at or up to one tick after its time. Must not throw. */
  abstract expire(): void;
}

/** A timer that calls `expire`, for whoever is not one itself. */
export const timer = (expire: () => void): Timer => ({
  expire,
  slot: -1,
  dueAt: 0,
  before: null,
  after: null,
});

const tickMs = 5;
const slots = 1024;
/** Turns in a row without anything due, after which it is looked how long there will be nothing. */
const quietTurns = 8;

/**
 * Wheel keeps every timer of the data path: arming and disarming are a few assignments, no timer object of Node's
 * per call. One turn is 5.12 s; what is due later stays in its slot and is passed over until its turn.
 *
 * It sleeps while empty, and naps while nothing is due: a process with nothing to do wakes up a few times a second,
 * not two hundred times. Ref: Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987, scheme 6.
 */
export class Wheel {
  readonly #clock: Clock;
  readonly #heads: (Timer | null)[] = new Array(slots).fill(null);
  #position = 0;
  #size = 0;
  #interval: NodeJS.Timeout | null = null;
  /** Turns since something was due. */
  #quiet = 0;
  /** While it naps: when it wakes, monotonic milliseconds; else 0. */
  #napUntil = 0;
  readonly #manual: boolean;

  /** `manual`: no timer of Node's; the test calls `turn()` itself. */
  constructor(clock: Clock, manual = false) {
    this.#clock = clock;
    this.#manual = manual;
  }

  /** Timers that are armed. */
  get size(): number {
    return this.#size;
  }

  /** Monotonic milliseconds: for whoever waits, and has no clock of its own. */
  now(): number {
    return this.#clock.now();
  }

  /** Arms `timer` to expire `delayMs` from now; one that is armed is moved. */
  arm(timer: Timer, delayMs: number): void {
    this.armAt(timer, this.#clock.now() + delayMs);
  }

  /** Arms `timer` to expire at a monotonic time in milliseconds. */
  armAt(timer: Timer, dueAt: number): void {
    if (timer.slot >= 0) this.disarm(timer);
    if (this.#interval === null) this.#wake();
    else if (dueAt < this.#napUntil) this.#rouse();
    timer.dueAt = dueAt;
    const tick = Math.max(Math.ceil(dueAt / tickMs), this.#position + 1);
    const slot = tick % slots;
    const head = this.#heads[slot]!;
    timer.slot = slot;
    timer.before = null;
    timer.after = head;
    if (head !== null) head.before = timer;
    this.#heads[slot] = timer;
    this.#size++;
  }

  /** Takes `timer` off; nothing happens when it is not armed. */
  disarm(timer: Timer): void {
    if (timer.slot < 0) return;
    if (timer.before !== null) timer.before.after = timer.after;
    else this.#heads[timer.slot] = timer.after;
    if (timer.after !== null) timer.after.before = timer.before;
    timer.slot = -1;
    timer.before = null;
    timer.after = null;
    this.#size--;
  }

  /** Expires all that is due. Runs by itself unless the wheel is manual. */
  turn(): void {
    const now = this.#clock.now();
    const end = Math.floor(now / tickMs);
    // After a long stall one full round visits every slot; more would visit them again for nothing.
    let position = Math.max(this.#position, end - slots);
    while (position < end) {
      position++;
      this.#position = position;
      this.#expireSlot(position % slots, now);
    }
    // Asleep only after a whole tick without a timer: one call after another must not start and stop the clockwork.
    if (this.#size === 0) this.#sleep();
    else if (this.#napUntil > 0) this.#rouse();
    else if (++this.#quiet >= quietTurns) this.#nap();
  }

  /** Stops the clockwork and forgets all timers. */
  close(): void {
    for (let slot = 0; slot < slots; slot++) while (this.#heads[slot]) this.disarm(this.#heads[slot]!);
    this.#sleep();
  }

  #expireSlot(slot: number, now: number): void {
    let timer = this.#heads[slot]!;
    while (timer !== null) {
      const after: Timer | null = timer.after;
      if (timer.dueAt <= now) {
        this.disarm(timer);
        this.#quiet = 0;
        timer.expire();
        // What expire() did may have taken `after` off this slot: begin again from its head.
        timer = after !== null && after.slot !== slot ? this.#heads[slot]! : after!;
      } else timer = after!;
    }
  }

  #wake(): void {
    if (this.#size === 0) this.#position = Math.floor(this.#clock.now() / tickMs);
    this.#rouse();
  }

  /** Turns with every tick from now on. */
  #rouse(): void {
    this.#sleep();
    if (!this.#manual) this.#interval = setInterval(() => this.turn(), tickMs).unref();
  }

  /** Until the first slot that holds anything: it may not be due then, but nothing is before. */
  #nap(): void {
    this.#quiet = 0;
    if (this.#manual) return;
    let ticks = 1;
    while (ticks < slots && this.#heads[(this.#position + ticks) % slots] === null) ticks++;
    if (ticks <= quietTurns) return;
    this.#sleep();
    this.#napUntil = (this.#position + ticks) * tickMs;
    const ms = Math.max(1, Math.ceil(this.#napUntil - this.#clock.now()));
    this.#interval = setTimeout(() => this.turn(), ms).unref();
  }

  #sleep(): void {
    // Takes off a nap as well.
    if (this.#interval !== null) clearInterval(this.#interval);
    this.#interval = null;
    this.#napUntil = 0;
    this.#quiet = 0;
  }
}

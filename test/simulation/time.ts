import type { Clock } from '../../sidecar/core/kit.ts';
import { Wheel } from '../../sidecar/core/wheel.ts';

interface Event {
  readonly at: number;
  readonly order: number;
  readonly act: () => void;
}

/** How finely the wheel turns, milliseconds: as it does by itself. */
const tickMs = 5;
/** Steps after which the process hears its timers and sockets again. */
const stepsAtOnce = 50_000;

/**
 * VirtualTime goes from event to event, as fast as the machine can: nobody waits. Events of one moment happen in the
 * order in which they were planned, and after each all promises are heard before the next begins, so that a run is
 * the same whenever and wherever it is run.
 */
export class VirtualTime implements Clock {
  readonly wheel: Wheel = new Wheel(this, true);
  #now = 0;
  #planned = 0;
  readonly #heap: Event[] = [];

  now(): number {
    return this.#now;
  }

  wall(): number {
    return 1_700_000_000_000 + this.#now;
  }

  /** Plans `act` for a moment, milliseconds since the beginning. */
  at(ms: number, act: () => void): void {
    const event = { at: Math.max(ms, this.#now), order: this.#planned++, act };
    const heap = this.#heap;
    let place = heap.length;
    heap.push(event);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!earlier(event, heap[parent]!)) break;
      heap[place] = heap[parent]!;
      place = parent;
    }
    heap[place] = event;
  }

  after(ms: number, act: () => void): void {
    this.at(this.#now + ms, act);
  }

  /** Lets everything happen up to `ms`, or until `done`; asked after each step. */
  run(ms: number, done: () => boolean = () => false): Promise<void> {
    return new Promise((resolve, reject) => {
      let steps = 0;
      const step = (): void => {
        try {
          if (done() || !this.#step(ms)) return resolve();
        } catch (bug) {
          return reject(bug);
        }
        if (++steps % stepsAtOnce === 0) setImmediate(step);
        // Node hears all promises, however deep, before it goes on with what was planned for the next tick.
        else queueMicrotask(() => process.nextTick(step));
      };
      step();
    });
  }

  /** The next event or turn of the wheel; false when there is none up to `until`. */
  #step(until: number): boolean {
    const event = this.#heap[0];
    const turnAt =
      this.wheel.size > 0 ? (Math.floor(this.#now / tickMs) + 1) * tickMs : Number.POSITIVE_INFINITY;
    const at = Math.min(event?.at ?? Number.POSITIVE_INFINITY, turnAt);
    if (at > until) {
      this.#now = until;
      return false;
    }
    this.#now = at;
    if (at === turnAt) this.wheel.turn();
    else this.#take().act();
    return true;
  }

  #take(): Event {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length > 0) {
      let place = 0;
      for (;;) {
        let child = 2 * place + 1;
        if (child >= heap.length) break;
        if (child + 1 < heap.length && earlier(heap[child + 1]!, heap[child]!)) child++;
        if (!earlier(heap[child]!, last)) break;
        heap[place] = heap[child]!;
        place = child;
      }
      heap[place] = last;
    }
    return first;
  }
}

const earlier = (one: Event, other: Event): boolean =>
  one.at < other.at || (one.at === other.at && one.order < other.order);

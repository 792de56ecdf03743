import type { Clock } from '../../sidecar/core/kit.ts';
import type { Wheel } from '../../sidecar/core/wheel.ts';
import { type Duration, millisecondsOf } from '../duration.ts';

/** Milliseconds of one step of the mesh's timers. */
const tickMs = 5;
/** Steps of one advance, however long: an hour passes in them as a second does. */
const mostSteps = 2000;

/**
 * TestClock is time that stands still until a test moves it: deadlines, waits between attempts and gates follow it, and
 * whoever sleeps by it.
 *
 * @example
 * const testing = await testMesh();
 * await testing.host(Inventory, 'inventory', { ...stock, reserve: () => new Promise(() => {}) });
 * const call = testing.client(Inventory, 'inventory').reserve({ sku: 'oar' }, { timeout: '5s' });
 * call.catch((error: MeshError) => console.log(error.codeName)); // DEADLINE_EXCEEDED, at once
 * await testing.clock.advance('5s');
 * await testing.close();
 */
export class TestClock implements Clock {
  #now = 0;
  #wheel: Wheel | null = null;
  readonly #sleepers: Set<{ readonly dueAt: number; wake(): void }> = new Set();

  /** Milliseconds since the test began. */
  now(): number {
    return this.#now;
  }

  /** Milliseconds since 1970; the test begins on the first of January 2025. */
  wall(): number {
    return 1_735_689_600_000 + this.#now;
  }

  /** Whose timers it moves; the mesh says so itself. */
  drive(wheel: Wheel): void {
    this.#wheel = wheel;
  }

  /** Lets time pass, and all that is due on the way happen, in order. */
  async advance(duration: Duration): Promise<void> {
    const ms = millisecondsOf(duration, 'advance');
    const end = this.#now + ms;
    const step = Math.max(tickMs, ms / mostSteps);
    // What was called a moment ago has begun by then.
    await settled();
    while (this.#now < end) {
      this.#now = Math.min(end, this.#now + step);
      this.#wheel?.turn();
      for (const sleeper of this.#sleepers)
        if (sleeper.dueAt <= this.#now) {
          this.#sleepers.delete(sleeper);
          sleeper.wake();
        }
      await settled();
    }
  }

  /** Resolves when so much time has passed by this clock. */
  sleep(duration: Duration): Promise<void> {
    const dueAt = this.#now + millisecondsOf(duration, 'sleep');
    return new Promise((wake) => this.#sleepers.add({ dueAt, wake }));
  }
}

/** One turn of the event loop: promises that wait for nothing else are done. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

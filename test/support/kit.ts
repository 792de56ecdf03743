import type { Clock, Kit } from '../../sidecar/core/kit.ts';
import { silent } from '../../sidecar/core/log.ts';
import { Meter } from '../../sidecar/core/meter.ts';
import { Wheel } from '../../sidecar/core/wheel.ts';
import { metrics } from '../../sidecar/telemetry/metrics.ts';

/** A clock that moves only when told. */
export class StillClock implements Clock {
  #now = 1000;

  now(): number {
    return this.#now;
  }

  wall(): number {
    return 1_700_000_000_000 + this.#now;
  }

  /** Moves time forward without expiring anything; see `StillKit.pass`. */
  set(now: number): void {
    this.#now = now;
  }
}

/** A kit whose time stands still, and whose chance is what the test says. */
export interface StillKit extends Kit {
  readonly clock: StillClock;
  /** Lets `ms` go by in steps of 5 ms, expiring timers on the way. */
  pass(ms: number): void;
}

/** Makes a kit that stands still. `random` defaults to 0.5, so that jitter is at its middle. */
export const stillKit = (random: () => number = () => 0.5): StillKit => {
  const clock = new StillClock();
  const wheel = new Wheel(clock, true);
  return {
    clock,
    wheel,
    random,
    log: silent,
    meter: new Meter(metrics),
    pass(ms: number) {
      const end = clock.now() + ms;
      while (clock.now() < end) {
        clock.set(Math.min(clock.now() + 5, end));
        wheel.turn();
      }
    },
  };
};

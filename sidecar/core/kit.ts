import type { Log } from './log.ts';
import type { Meter } from './meter.ts';
import type { Wheel } from './wheel.ts';

/** Clock tells the time. Tests stand it still. */
export interface Clock {
  /** Monotonic milliseconds, with fractions; never steps with the wall clock. */
  now(): number;
  /** Wall-clock milliseconds since 1970: for certificates and logs alone. */
  wall(): number;
}

/** Kit is what parts ask for instead of reaching out: time, chance, a voice and numbers. */
export interface Kit {
  readonly clock: Clock;
  readonly wheel: Wheel;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  readonly meter: Meter;
}

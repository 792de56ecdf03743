import type { Clock, Kit } from './core/kit.ts';
import { type Log, silent } from './core/log.ts';
import { Meter } from './core/meter.ts';
import { Wheel } from './core/wheel.ts';
import { metrics } from './telemetry/metrics.ts';

const clock: Clock = Object.freeze({ now: () => performance.now(), wall: () => Date.now() });

/** A kit for tests: time goes as `clock` says, and `wheel.turn()` lets it pass; chance is at its middle. */
export const stillKit = (still: Clock): Kit => ({
  clock: still,
  wheel: new Wheel(still, true),
  random: () => 0.5,
  log: silent,
  meter: new Meter(metrics),
});

/** The kit of a sidecar that runs: real time, real chance. */
export const realKit = (log: Log): Kit => ({
  clock,
  wheel: new Wheel(clock),
  random: Math.random,
  log,
  meter: new Meter(metrics),
});

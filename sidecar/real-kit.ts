import type { Clock, Kit } from './core/kit.ts';
import type { Log } from './core/log.ts';
import { Meter } from './core/meter.ts';
import { Wheel } from './core/wheel.ts';
import { metrics } from './telemetry/metrics.ts';

const clock: Clock = Object.freeze({ now: () => performance.now(), wall: () => Date.now() });

/** The kit of a sidecar that runs: real time, real chance. */
export const realKit = (log: Log): Kit => ({
  clock,
  wheel: new Wheel(clock),
  random: Math.random,
  log,
  meter: new Meter(metrics),
});

import type { Cell } from '../../../sidecar/core/cell.ts';
import type { Kit } from '../../../sidecar/core/kit.ts';
import { silent } from '../../../sidecar/core/log.ts';
import { Meter } from '../../../sidecar/core/meter.ts';
import { Wheel } from '../../../sidecar/core/wheel.ts';
import { metrics } from '../../../sidecar/telemetry/metrics.ts';

const clock = { now: () => performance.now(), wall: () => Date.now() };

/** A kit whose time goes by, for tests against agents that have their own. */
export const makeKit = (): Kit => ({
  clock,
  wheel: new Wheel(clock),
  random: Math.random,
  log: silent,
  meter: new Meter(metrics),
});

/** Settles when the cell's value is as wanted, now or later; rejects with `what` after `mostMs` milliseconds. */
export const until = <T>(
  cell: Cell<T>,
  what: string,
  wanted: (value: T) => boolean,
  mostMs = 10_000,
): Promise<T> =>
  new Promise((settle, reject) => {
    if (wanted(cell.value)) return settle(cell.value);
    const limit = setTimeout(() => {
      deaf();
      reject(new Error(`not within ${mostMs} ms: ${what}`));
    }, mostMs);
    const deaf = cell.listen((value) => {
      if (!wanted(value)) return;
      clearTimeout(limit);
      deaf();
      settle(value);
    });
  });

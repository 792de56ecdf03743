import { monitorEventLoopDelay, type RecordableHistogram } from 'node:perf_hooks';
import type { Meter } from '../core/meter.ts';

/** Milliseconds between two looks at the loop: short enough to see a stall, too rare to cost anything. */
const resolutionMs = 20;

/** Where loop delays are read, in nanoseconds with the resolution included; stops when told. */
export type Delays = Pick<RecordableHistogram, 'count' | 'percentile' | 'reset'> & {
  enable(): unknown;
  disable(): unknown;
};

/**
 * Watches the process itself, for every reading of `meter`: loop delay since the reading before, memory and
 * processor time. The answer stops the watch.
 */
export const watchProcess = (
  meter: Meter,
  delays: Delays = monitorEventLoopDelay({ resolution: resolutionMs }),
): (() => void) => {
  const quantiles = ([0.5, 0.99, 1] as const).map((quantile) => ({
    quantile,
    count: meter.count('outrigger_loop_delay_seconds', String(quantile)),
  }));
  const memory = meter.count('process_resident_memory_bytes');
  const processor = meter.count('process_cpu_seconds_total');
  delays.enable();
  const forget = meter.collect(() => {
    for (const { quantile, count } of quantiles) {
      const late = delays.count === 0 ? 0 : delays.percentile(quantile * 100) / 1e6 - resolutionMs;
      count.value = Math.max(0, late) / 1000;
    }
    delays.reset();
    const { user, system } = process.cpuUsage();
    memory.value = process.memoryUsage.rss();
    processor.value = (user + system) / 1e6;
  });
  return () => {
    forget();
    delays.disable();
  };
};

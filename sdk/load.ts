import { join } from 'node:path';
import {
  type EventLoopUtilization,
  type IntervalHistogram,
  monitorEventLoopDelay,
  performance,
} from 'node:perf_hooks';
import { type Definition, definition } from './definition.ts';
import { protoFolder } from './grpc/load.ts';
import type { Methods } from './methods.ts';

/** The interface of outrigger.v1.App. */
interface App {
  load(request: object): Promise<{
    loopDelayUs: number;
    loopUtilizationPermille: number;
    callsInProgress: number;
  }>;
}

/** Milliseconds between two looks at the event loop. */
const resolution = 20;

/** The definition of what a sidecar asks its app. */
export const appDefinition = (): Definition<App> =>
  definition<App>(join(protoFolder(), 'outrigger/v1/app.proto'), 'outrigger.v1.App');

/** How busy this process is; measured from the first question on, so that who is never asked pays nothing. */
export class Load {
  #delays: IntervalHistogram | null = null;
  #before: EventLoopUtilization = performance.eventLoopUtilization();
  #serving = 0;

  /** A call begins to be served; the answer is called when it is over. */
  serving(): () => void {
    this.#serving++;
    return () => void this.#serving--;
  }

  /** What answers the protocol. */
  methods(): Methods<App> {
    return { load: () => this.#report() };
  }

  close(): void {
    this.#delays?.disable();
  }

  #report(): Awaited<ReturnType<App['load']>> {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#before);
    this.#before = now;
    this.#delays ??= started();
    // The histogram counts from one look to the next: what is above its step is delay. Nanoseconds.
    const delayUs = Math.max(0, this.#delays.percentile(99) / 1000 - resolution * 1000);
    this.#delays.reset();
    return {
      loopDelayUs: Math.round(delayUs),
      loopUtilizationPermille: Math.round(utilization * 1000),
      callsInProgress: this.#serving,
    };
  }
}

const started = (): IntervalHistogram => {
  const delays = monitorEventLoopDelay({ resolution });
  delays.enable();
  return delays;
};

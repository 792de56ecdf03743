import type { EndpointView } from '../core/endpoint.ts';
import type { Kit } from '../core/kit.ts';
import type { Count } from '../core/meter.ts';

/**
 * Whether a service is in panic: none of its endpoints is available, and at least one that could be reached is kept
 * away by its gate. Calls go there all the same. One that only connects anew is no panic: calls wait for it.
 */
export const inPanic = (endpoints: readonly EndpointView[]): boolean => {
  let isKeptAway = false;
  for (const { available, reachable, gate } of endpoints) {
    if (available) return false;
    if (reachable && gate !== 'open') isKeptAway = true;
  }
  return isKeptAway;
};

/** Panics counts calls that went to endpoints whose gates are shut, and tells when that begins and ends. */
export class Panics {
  readonly #kit: Kit;
  /** By service, those in panic alone. */
  readonly #begun: Map<string, Panic> = new Map();

  constructor(kit: Kit) {
    this.#kit = kit;
  }

  /** Services in panic. */
  get size(): number {
    return this.#begun.size;
  }

  /** A call to `service` found no endpoint that is available. */
  call(service: string, endpoints: readonly EndpointView[]): void {
    if (!inPanic(endpoints)) return;
    let panic = this.#begun.get(service);
    if (panic === undefined) {
      const count = this.#kit.meter.count('outrigger_panic_total', service);
      this.#begun.set(service, (panic = { count, before: count.value, since: this.#kit.clock.now() }));
      this.#kit.log.warn(
        { service, endpoints: endpoints.length },
        'panic: no endpoint is available; calls go to the least bad although its gate is shut',
      );
    }
    panic.count.value++;
  }

  /** A call to `service` found one that is. */
  calm(service: string): void {
    const panic = this.#begun.get(service);
    if (panic === undefined) return;
    this.#begun.delete(service);
    const calls = panic.count.value - panic.before;
    const lastedMs = Math.round(this.#kit.clock.now() - panic.since);
    this.#kit.log.info({ service, calls, lastedMs }, 'panic is over: an endpoint is available again');
  }
}

interface Panic {
  readonly count: Count;
  /** What the count was when it began. */
  readonly before: number;
  /** Monotonic milliseconds. */
  readonly since: number;
}

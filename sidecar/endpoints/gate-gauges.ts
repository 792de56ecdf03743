import type { GateState } from '../core/endpoint.ts';
import type { Meter } from '../core/meter.ts';
import type { Pool } from './pool.ts';

/** What has a gate, of which service. */
interface Gated {
  readonly service: string;
  readonly gate: GateState;
}

const states: readonly GateState[] = ['open', 'probing', 'shut'];

/** Says at each reading how many endpoints are open, probing and shut, and which services are. */
export const gaugeGates = (meter: Meter, pool: Pool): void => {
  const gauge = (name: string, gated: () => readonly Gated[]): void => {
    // A service that has gone is told of once more, as nothing.
    let told: ReadonlySet<string> = new Set();
    meter.collect(() => {
      const all = gated();
      const services = new Set(all.map(({ service }) => service));
      for (const service of [...told, ...services])
        for (const state of states) meter.count(name, service, state).value = 0;
      for (const { service, gate } of all) meter.count(name, service, gate).value++;
      told = services;
    });
  };
  gauge('outrigger_gates', () => pool.list());
  gauge('outrigger_service_gates', () => pool.services());
};

import { afterEach } from 'vitest';
import type { GateState } from '../../sidecar/core/endpoint.ts';
import { broken, type Status } from '../../sidecar/core/status.ts';
import { Gate, type Guarded } from '../../sidecar/endpoints/gate.ts';
import { gateDefaults } from '../../sidecar/endpoints/gate-settings.ts';
import type { Health } from '../../sidecar/endpoints/probe.ts';
import { settled } from './calls.ts';
import { type StillKit, stillKit } from './kit.ts';

/** What the endpoint behind a gate does and hears; a test changes it as it goes. */
export interface GuardedByTest extends Guarded {
  /** Whether another endpoint of the service is available. */
  others: boolean;
  reachable: boolean;
  /** What a probe is told. */
  health: Health | Promise<Health>;
  /** When it was probed, milliseconds from the start. */
  readonly probes: number[];
  readonly changes: [GateState, string][];
  /** Why it would have shut, were it not in shadow. */
  readonly woulds: string[];
  probe: () => Promise<Health>;
}

/** A gate, with the endpoint that it guards in the test's hand. */
export interface OneGate {
  readonly kit: StillKit;
  readonly guarded: GuardedByTest;
  readonly gate: Gate;
  /** Tells it of so many failures of calls that began just now. */
  fail(times: number): void;
  /** Lets time go by, hearing promises on the way. */
  pass(ms: number): Promise<void>;
}

/** How a call ends whose connection broke. */
export const lost: Status = broken('10.0.0.1:1: connection lost', true);

/** How a test file makes gates; each is closed after the test that made it. */
export const gates = (): ((random?: () => number) => OneGate) => {
  const made: OneGate[] = [];
  afterEach(() => {
    for (const { gate } of made.splice(0)) gate.close();
  });
  return (random) => {
    const one = oneGate(random);
    made.push(one);
    return one;
  };
};

const oneGate = (random?: () => number): OneGate => {
  const kit = stillKit(random);
  const guarded: GuardedByTest = {
    others: true,
    reachable: true,
    health: 'failing',
    probes: [],
    changes: [],
    woulds: [],
    mayShut: () => guarded.others,
    probe: () => {
      guarded.probes.push(kit.clock.now() - 1000);
      return Promise.resolve(guarded.health);
    },
    changed: (state, why) => void guarded.changes.push([state, why]),
    would: (why) => void guarded.woulds.push(why),
  };
  const gate = new Gate(kit, guarded, gateDefaults);
  const fail = (times: number) => {
    for (let at = 0; at < times; at++) gate.judge('failure', gate.epoch, lost);
  };
  const pass = async (ms: number) => {
    for (let at = 0; at < ms; at += 100) {
      kit.pass(100);
      await settled();
    }
  };
  return { kit, guarded, gate, fail, pass };
};

import type { ProbeTimes } from '../policies/probe-interval.ts';
import type { FailureLimits } from '../policies/track-record.ts';

/** When a gate shuts and how it finds out that it may open. */
export interface GateSettings {
  /** What shuts the gate, until a policy says otherwise. */
  readonly limits: FailureLimits;
  readonly probe: ProbeTimes;
  /** Share of the probe interval that chance moves, so that many sidecars do not probe together. */
  readonly jitter: number;
  /** A trial without a verdict for this long has failed, milliseconds. Without it a silent call shuts a gate for ever. */
  readonly trialMs: number;
  /** A trial whose reply has begun, and has not failed for this long since, went well: a long stream must not hold it. */
  readonly soundMs: number;
  /** A gate that shuts again within this time of opening was opened on a false word, milliseconds. */
  readonly relapseMs: number;
}

/** Five failures, as Envoy and Finagle, or less than 80 % well, as linkerd; a probe each second for half a minute. */
export const gateDefaults: GateSettings = {
  limits: { failures: 5, success: 80, calls: 5 },
  probe: { firstMs: 1000, quickMs: 30_000, longestMs: 60_000 },
  jitter: 0.2,
  trialMs: 10_000,
  soundMs: 1000,
  relapseMs: 10_000,
};

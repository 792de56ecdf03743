import type { GateState } from '../core/endpoint.ts';
import type { Gate } from './gate.ts';

/** What a gate knows, for people. */
export interface Judgement {
  readonly gate: GateState;
  /** Why it is so; empty while it never changed. */
  readonly why: string;
  /** Since when, wall-clock milliseconds; null while it never changed. */
  readonly since: number | null;
  /** Calls of the last ten seconds that went well, and that did not. */
  readonly successes: number;
  readonly failures: number;
}

/** `now`: monotonic milliseconds. */
export const judgementOf = ({ state, why, since, record: { rate } }: Gate, now: number): Judgement => {
  rate.turn(now);
  return { gate: state, why, since, successes: rate.well, failures: rate.ill };
};

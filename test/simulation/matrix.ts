import type { PolicyWords } from '../../sidecar/core/policy.ts';
import {
  attemptsPerCall,
  begunIn,
  type CallRecord,
  type Fault,
  failed,
  lognormal,
  type Run,
  simulate,
  success,
} from './index.ts';

/** One case of partial failure. */
export interface Cell {
  readonly faulty: number;
  readonly instances: number;
  readonly fault: Fault;
  /** Of each caller. */
  readonly perSecond: number;
}

/** How many of how many are faulty. */
export const sizes = [
  [1, 2],
  [1, 3],
  [3, 10],
] as const;
/** What is wrong with them; `npm run beside` tells the same on real processes. */
export const faults: readonly ('unavailable' | 'random' | 'slow' | 'reset')[] = [
  'unavailable',
  'random',
  'slow',
  'reset',
];
const rates = [2, 200];

/** Every case there is. */
export const cells: readonly Cell[] = sizes.flatMap(([faulty, instances]) =>
  faults.flatMap((fault) => rates.map((perSecond) => ({ faulty, instances, fault, perSecond }))),
);

/** As people say it: `1 of 3 random, 200/s`. */
export const nameOf = ({
  faulty,
  instances,
  fault,
  perSecond,
}: Omit<Cell, 'fault'> & { readonly fault: string }): string =>
  `${faulty} of ${instances} ${fault}, ${perSecond}/s`;

/** What one run of a cell found. */
export interface Found {
  readonly seed: number;
  /** After the first two seconds of the fault. */
  readonly success: number;
  /**
   * Since the fault began, and how many there may be where calls are few or may not be repeated: five for each faulty
   * endpoint, those that were under way there when its gate shut, and one for each probe.
   */
  readonly failures: number;
  readonly mayFail: number;
  readonly attempts: number;
  /** The longest time for which an endpoint that was well was kept out, milliseconds. */
  readonly innocentMs: number;
  /** Calls that never ended and timers that nobody took off: none, or the run was in vain. */
  readonly left: number;
  readonly kept: boolean;
}

const callers = 2;
const faultAtMs = 1000;
const learningMs = 2000;
/** A probe's interval with its jitter, and the probe itself. */
const periodMs = 1300;
/** Failures that shut a gate. */
const toShut = 5;
const leastSuccess = 0.999;
const mostAttempts = 1.2;

/** Runs one cell with one seed. `policy`: what is said beside what is built in; the control takes a defence away so. */
export const tryCell = async (cell: Cell, seed: number, policy: PolicyWords = {}): Promise<Found> => {
  const { faulty, instances, fault, perSecond } = cell;
  const services = { inventory: { instances, latency: lognormal(5, 20) } };
  const lab = simulate({ seed, callers, services, policy });
  for (let at = 0; at < faulty; at++) lab.faulty('inventory', at, fault, { fromMs: faultAtMs });
  lab.load({ perSecond, forMs: perSecond < 10 ? 60_000 : 11_000, idempotent: true });
  return judge(cell, await lab.run());
};

/**
 * Failed calls that tell nothing of a gate: they were at an endpoint when it shut, and nobody could call them back; or a
 * call that began before the fault went well after them, so that the row of failures began anew.
 */
const besides = ({ calls, ejections }: Run): number => {
  const early = calls.filter(({ atMs, tookMs }) => atMs < faultAtMs && atMs + tookMs > faultAtMs);
  const isAt = ({ caller, attempts }: CallRecord, at: { caller: string; endpoint: string | undefined }) =>
    caller === at.caller && attempts.at(-1) === at.endpoint;
  return failed(calls).filter((call) => {
    const endMs = call.atMs + call.tookMs;
    const at = { caller: call.caller, endpoint: call.attempts.at(-1) };
    return (
      ejections.some((shut) => isAt(call, shut) && call.atMs < shut.fromMs && endMs > shut.fromMs) ||
      early.some((other) => isAt(other, at) && other.status?.code === 0 && other.atMs + other.tookMs > endMs)
    );
  }).length;
};

const judge = ({ faulty, fault, perSecond }: Cell, run: Run): Found => {
  const isFaulty = (endpoint: string): boolean =>
    Array.from({ length: faulty }, (_, at) => `inventory-${at}:`).some((id) => endpoint.startsWith(id));
  const since = begunIn(run.calls, faultAtMs);
  const share = success(begunIn(run.calls, faultAtMs + learningMs));
  const failures = failed(since).length;
  const probes = [...run.probes].reduce((sum, [id, count]) => sum + (isFaulty(id) ? count : 0), 0);
  const mayFail = callers * faulty * toShut + besides(run) + probes;
  const attempts = attemptsPerCall(since);
  const endMs = run.calls.at(-1)!.atMs;
  const innocentMs = run.ejections
    .filter(({ endpoint }) => !isFaulty(endpoint))
    .reduce((longest, { fromMs, toMs }) => Math.max(longest, Math.min(toMs, endMs) - fromMs), 0);
  const { started, finished, cancelled, timers } = run.sum;
  const left = started - finished - cancelled + timers;
  const isCounted = perSecond < 10 || fault === 'reset';
  const kept =
    (isCounted ? failures <= mayFail : share >= leastSuccess) &&
    attempts <= mostAttempts &&
    innocentMs <= periodMs &&
    left === 0;
  return { seed: run.seed, success: share, failures, mayFail, attempts, innocentMs, left, kept };
};

/** The less well kept of two. */
export const worse = (one: Found, other: Found): Found => {
  if (one.kept !== other.kept) return one.kept ? other : one;
  const lack = ({ success, attempts, failures, mayFail }: Found): number =>
    (1 - success) / (1 - leastSuccess) + attempts / mostAttempts + failures / mayFail;
  return lack(other) > lack(one) ? other : one;
};

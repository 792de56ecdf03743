import type { Parameters } from 'fast-check';

/** All properties of this folder take ten seconds together, and twenty in CI. */
const allMs = process.env['CI'] === undefined ? 10_000 : 20_000;

/** Runs as often as `share` of the time allows; a counterexample tells its seed. */
export const forShare = <T>(share: number): Parameters<T> => ({
  numRuns: 1_000_000,
  interruptAfterTimeLimit: allMs * share,
  markInterruptAsFailure: false,
});

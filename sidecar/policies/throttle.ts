/** However many are refused, a quarter of the calls goes on: else nobody would learn that the service has room again. */
const mostShare = 0.75;
/** Five calls a second for ten seconds: with fewer, chance would decide. */
const leastCalls = 50;

/**
 * The share of the calls, 0 to 1, to refuse of a service that accepted so many of the calls of the last ten seconds, those
 * that were refused here included. `factor` is how many times the accepted calls may be tried.
 *
 * Ref: Google, "Site Reliability Engineering", chapter 21, client-side throttling.
 */
export const shareToRefuse = (calls: number, accepted: number, factor: number): number =>
  calls < leastCalls ? 0 : Math.min(Math.max(0, (calls - factor * accepted) / (calls + 1)), mostShare);

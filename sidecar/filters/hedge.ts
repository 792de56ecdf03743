import type { RoutedCall } from '../core/call.ts';
import type { Filter } from '../core/filter.ts';
import type { Kit } from '../core/kit.ts';
import { Race, type RaceParts } from '../policies/race.ts';
import type { Repetitions } from '../policies/repetitions.ts';
import { claimedForHedges } from '../policies/retry-mark.ts';

/** What hedge looks at beside the call. */
export interface HedgeParts extends RaceParts {
  readonly repetitions: Repetitions;
}

/** How many attempts a call may have. */
export interface HedgeSettings {
  /** Attempts of one call, the first included, that no policy can exceed. */
  readonly mostAttempts: number;
}

/** Ref: gRFC A6, whose clients make five attempts at most. */
const hedgeDefaults: HedgeSettings = { mostAttempts: 5 };

/**
 * Sends a call that may be executed twice to another endpoint while the first has not answered.
 *
 * Above   balance: so that another attempt meets another endpoint
 * Reads   policy.hedge, policy.idempotent, policy.retry, policy.budget, policy.tokens, reply.over, reply.trailers,
 *         body.branch, call.deadlineAt, call.baggage, how long the method's calls took
 * Answers nothing of its own: the first good reply, else the last bad one
 * Counts  outrigger_hedges_won_total; outrigger_retries_total and outrigger_retries_refused_total, through what is
 *         kept of the service
 * Keeps   nothing: budget and tokens of each service are shared with retry
 * Status  alpha
 *
 * Beside another attempt one begins only when the caller has half-closed and all of the request is recorded: a unary
 * call or a stream of answers. The first reply that begins wins, unless it has failed in a way that may be tried again;
 * then the next attempt begins at once. Each has a life of its own: those that lost are reset, and nothing is held
 * against their endpoints.
 */
export const hedge = (
  kit: Kit,
  parts: HedgeParts,
  settings: HedgeSettings = hedgeDefaults,
): Filter<RoutedCall> =>
  function hedge(routed, next) {
    if (routed.call.policy.hedge.after === null) return next(routed);
    const call = claimedForHedges(routed.call);
    if (call === null) return next(routed);
    const account = parts.repetitions.of(routed.service.name);
    account.begun(call);
    const attempts = Math.min(call.policy.hedge.attempts, settings.mostAttempts);
    return new Race(kit, parts, account, { ...routed, call }, next, attempts).begin();
  };

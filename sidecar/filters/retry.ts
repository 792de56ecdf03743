import type { RoutedCall } from '../core/call.ts';
import type { EndpointView } from '../core/endpoint.ts';
import type { Filter, Service } from '../core/filter.ts';
import type { Kit } from '../core/kit.ts';
import { type Reply, refuse } from '../core/reply.ts';
import { pushbackIn } from '../core/retry-pushback.ts';
import type { ServiceView } from '../core/snapshot.ts';
import { backoffMs } from '../policies/backoff.ts';
import { pause } from '../policies/pause.ts';
import { meetsAnother, repeatable } from '../policies/repeatable.ts';
import type { Account, Kind, Repetitions } from '../policies/repetitions.ts';
import { claimedForHedges, claimedForRetry } from '../policies/retry-mark.ts';

/** How often a call is tried. */
export interface RetrySettings {
  /** Tries of one call, the first included, that no policy can exceed. */
  readonly mostAttempts: number;
}

/** Ref: gRFC A6, whose clients make five attempts at most. */
const retryDefaults: RetrySettings = { mostAttempts: 5 };

/** Share of a wait that chance moves to either side, so that many that failed together come back apart. Ref: gRFC A6. */
const jitter = 0.2;

/**
 * Tries a call again: one that no app has seen, and of idempotent methods one that failed with a code of the policy.
 *
 * Above   balance: so that another attempt meets another endpoint
 * Reads   policy.retry, policy.idempotent, policy.budget, policy.tokens, reply.over, reply.trailers, body.replayable,
 *         call.deadlineAt, call.baggage
 * Answers nothing of its own: the last attempt's reply
 * Counts  outrigger_retries_total, outrigger_retries_refused_total, through what is kept of the service
 * Keeps   nothing: budget and tokens of each service are shared with hedge
 * Status  alpha
 *
 * One sidecar of a call tree repeats what was reached, the outermost that may: it marks the baggage, and those below
 * hold back. Endpoints that were not met are tried at once where no app was reached; else there is a wait, or what
 * the peer asks for. When no further try is due the body is committed. What hedge takes passes.
 */
export const retry = (
  kit: Kit,
  endpoints: (service: ServiceView) => readonly EndpointView[],
  repetitions: Repetitions,
  settings: RetrySettings = retryDefaults,
): Filter<RoutedCall> =>
  async function retry(routed, next) {
    const { call, service } = routed;
    const { policy, body } = call;
    if (policy.hedge.after !== null && claimedForHedges(call) !== null) return next(routed);
    const account = repetitions.of(service.name);
    account.begun(call);
    const claimed = policy.idempotent ? claimedForRetry(call) : null;
    const own = claimed === null ? routed : { ...routed, call: claimed };
    try {
      const reply = await next(own);
      if (policy.tokens.most !== null) account.hear(own.call, reply);
      if (repeatable(reply, policy) === null) return reply;
      return await new Further(kit, endpoints, account, settings, own, next, claimed !== null).of(reply);
    } finally {
      body.commit();
    }
  };

/** What comes after the first try of one call. */
class Further {
  readonly #kit: Kit;
  readonly #endpoints: (service: ServiceView) => readonly EndpointView[];
  readonly #account: Account;
  readonly #attempts: number;
  readonly #routed: RoutedCall;
  readonly #next: Service<RoutedCall>;
  /** It is ours to repeat what was reached: nobody above does. */
  readonly #isOurs: boolean;
  #met: readonly EndpointView[];
  /** Waits since the beginning, or since a peer said how long to wait. */
  #waits = 0;
  #isFree = true;

  constructor(
    kit: Kit,
    endpoints: (service: ServiceView) => readonly EndpointView[],
    account: Account,
    settings: RetrySettings,
    routed: RoutedCall,
    next: Service<RoutedCall>,
    isOurs: boolean,
  ) {
    this.#kit = kit;
    this.#endpoints = endpoints;
    this.#account = account;
    this.#attempts = Math.min(routed.call.policy.retry.attempts, settings.mostAttempts);
    this.#routed = routed;
    this.#next = next;
    this.#isOurs = isOurs;
    this.#met = routed.met;
  }

  /** The reply in the end, after the first one has failed. */
  async of(reply: Reply): Promise<Reply> {
    const { call, service } = this.#routed;
    let last = reply;
    for (let tried = 1; tried < this.#attempts; tried++) {
      const kind = this.#kindAfter(last);
      if (kind === null) return last;
      const waitMs = this.#waitAfter(last, kind);
      if (waitMs < 0) return last;
      if (!this.#account.allows(call, kind, waitMs, kind === 'transparent' && this.#isFree)) return last;
      if (kind === 'transparent') this.#isFree = false;
      last.discard();
      if (waitMs > 0) {
        const doing = `waiting to try service '${service.name}' again`;
        const cancelled = await pause(this.#kit.wheel, call.life, waitMs, doing);
        if (cancelled !== null) return refuse(cancelled);
      }
      this.#account.made(kind);
      last = await this.#next({ call, service, met: this.#met });
      if (call.policy.tokens.most !== null) this.#account.hear(call, last);
    }
    return last;
  }

  /** Why there may be another try; null when there may be none. */
  #kindAfter(reply: Reply): Kind | null {
    const { call } = this.#routed;
    const why = repeatable(reply, call.policy);
    // Where nobody was met there is nobody else to meet.
    if (why === null || call.life.outcome !== null || !call.body.replayable || call.life.at === null)
      return null;
    this.#met = [...this.#met, call.life.at];
    if (why === 'unseen') return 'transparent';
    if (this.#isOurs) return 'retry';
    this.#account.refuse('layer');
    return null;
  }

  /** Milliseconds until the next try; -1 when the peer asks for none. */
  #waitAfter(reply: Reply, kind: Kind): number {
    const { call, service } = this.#routed;
    const pushback = pushbackIn(reply.trailers);
    if (pushback !== null) {
      this.#waits = 0;
      if (pushback < 0) this.#account.refuse('pushback');
      return pushback;
    }
    if (kind === 'transparent' && meetsAnother(this.#endpoints(service), this.#met)) return 0;
    const { 'first-wait': firstMs, 'longest-wait': longestMs } = call.policy.retry;
    return backoffMs({ firstMs, longestMs, jitter }, this.#waits++, this.#kit.random());
  }
}

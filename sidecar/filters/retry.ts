import type { RoutedCall } from '../core/call.ts';
import type { EndpointView } from '../core/endpoint.ts';
import type { Filter, Service } from '../core/filter.ts';
import type { Kit } from '../core/kit.ts';
import { type Reply, refuse } from '../core/reply.ts';
import type { ServiceView } from '../core/snapshot.ts';
import { Code } from '../core/status.ts';
import { type Backoff, backoffMs } from '../policies/backoff.ts';
import { leastBad } from '../policies/least-bad.ts';
import { pause } from '../policies/pause.ts';

/** How often a call that never reached anybody is tried again. */
export interface RetrySettings {
  /** Tries of one call, the first included, that no policy can exceed. */
  readonly mostAttempts: number;
  /** The wait before an endpoint is met again; other endpoints are tried without a wait. */
  readonly backoff: Backoff;
}

/** Five attempts, as gRFC A6 has it; 25 ms as Envoy's base, full jitter around it. */
const retryDefaults: RetrySettings = {
  mostAttempts: 5,
  backoff: { firstMs: 25, longestMs: 250, jitter: 0.5 },
};

/**
 * Tries a call again that no app has seen.
 *
 * Above   balance: so that another attempt meets another endpoint
 * Reads   policy.retry, reply.over, body.replayable, call.deadlineAt
 * Answers nothing of its own: the last attempt's reply
 * Counts  outrigger_retries_total
 * Keeps   nothing
 * Status  alpha
 *
 * Tried again is only what is over, never had a head, was not reached and is UNAVAILABLE: refused connections,
 * REFUSED_STREAM, streams above a GOAWAY's last id, a peer's sidecar whose app is gone. A rule of the mesh
 * (PERMISSION_DENIED, a deadline) would say the same again. When no further try is due the body is committed.
 */
export const retry = (
  kit: Kit,
  endpoints: (service: ServiceView) => readonly EndpointView[],
  settings: RetrySettings = retryDefaults,
): Filter<RoutedCall> =>
  async function retry(routed, next) {
    const { body } = routed.call;
    try {
      const reply = await next(routed);
      if (!mayRepeat(reply, routed)) return reply;
      return await further(kit, endpoints, settings, routed, next, reply);
    } finally {
      body.commit();
    }
  };

const mayRepeat = ({ over, head }: Reply, { call }: RoutedCall): boolean =>
  over !== null &&
  head === null &&
  !over.reached &&
  over.code === Code.UNAVAILABLE &&
  call.life.outcome === null &&
  call.body.replayable;

const further = async (
  kit: Kit,
  endpoints: (service: ServiceView) => readonly EndpointView[],
  { mostAttempts, backoff }: RetrySettings,
  routed: RoutedCall,
  next: Service<RoutedCall>,
  reply: Reply,
): Promise<Reply> => {
  const { call, service } = routed;
  const { life } = call;
  const retries = kit.meter.count('outrigger_retries_total', service.name);
  let met = routed.met;
  let pauses = 0;
  const attempts = Math.min(call.policy.retry.attempts, mostAttempts);
  for (let tried = 1; tried < attempts; tried++) {
    const { at } = life;
    if (at === null) return reply; // nobody was met: there is nobody else to meet
    met = [...met, at];
    if (!meetsAnother(endpoints(service), met)) {
      const waitMs = backoffMs(backoff, pauses++, kit.random());
      if (kit.clock.now() + waitMs >= call.deadlineAt) return reply;
      const cancelled = await pause(
        kit.wheel,
        life,
        waitMs,
        `waiting to try service '${service.name}' again`,
      );
      if (cancelled !== null) {
        reply.discard();
        return refuse(cancelled);
      }
    }
    reply.discard();
    retries.value++;
    reply = await next({ call, service, met });
    if (!mayRepeat(reply, routed)) return reply;
  }
  return reply;
};

/**
 * Whether the next try goes where no earlier one was, and can be reached. Asked of the policy by which balance
 * chooses: it takes an available endpoint again before a fresh one whose gate is shut.
 */
const meetsAnother = (endpoints: readonly EndpointView[], met: readonly EndpointView[]): boolean => {
  const next = leastBad(endpoints, met);
  return next?.reachable === true && !met.includes(next);
};

import type { Call } from '../core/call.ts';
import type { Filter } from '../core/filter.ts';
import type { Kit } from '../core/kit.ts';
import type { Witness } from '../core/life.ts';
import type { Count } from '../core/meter.ts';
import { refusal } from '../core/reply.ts';
import { Code, ended, refused } from '../core/status.ts';
import { Timer, type Wheel } from '../core/wheel.ts';
import { parseGrpcTimeout } from '../policies/grpc-timeout.ts';

/** How long calls may last. */
export interface DeadlineSettings {
  /** No deadline is later than this after the call's arrival; milliseconds. */
  readonly longestCallMs: number;
  /** An inbound call without a deadline ends when no byte went either way for this long; milliseconds. */
  readonly idleStreamMs: number;
}

/** A day; five minutes, as Envoy's stream idle timeout. */
const deadlineDefaults: DeadlineSettings = { longestCallMs: 86_400_000, idleStreamMs: 300_000 };

/**
 * Ends a call that has run out of time.
 *
 * Above   all that waits: so that waiting is paid from the caller's time
 * Reads   grpc-timeout, arrival.arrivedAt, life.touchedAt; outbound: policy.timeout, policy.idle-stream
 * Answers DEADLINE_EXCEEDED; INTERNAL to a malformed grpc-timeout, as grpc-go does (the spec names no code)
 * Counts  outrigger_deadline_expired_total
 * Keeps   nothing; one entry of the wheel per call
 * Status  alpha
 *
 * There is no built-in deadline: headers cannot tell a unary call from a stream. What has no deadline is only
 * watched for bytes. A policy's timeout is the deadline of calls that have none, and the most that others get (gRFC
 * A2). The transport sends each attempt what is left of `call.deadlineAt`.
 */
export const deadline = (
  { clock, wheel, meter }: Kit,
  direction: 'outbound' | 'inbound',
  { longestCallMs, idleStreamMs }: DeadlineSettings = deadlineDefaults,
): Filter<Call> => {
  const expired = meter.count('outrigger_deadline_expired_total', direction);
  const place = direction === 'outbound' ? "the caller's sidecar" : "the callee's sidecar";
  const isOutbound = direction === 'outbound';
  return function deadline(call, next) {
    const said = call.arrival.words.timeout;
    const most = isOutbound ? call.policy.timeout : null;
    if (said === '' && most === null) {
      const idleMs = isOutbound ? call.policy['idle-stream'] : idleStreamMs;
      const watch = new IdleWatch(call, wheel, expired, place, idleMs);
      wheel.armAt(watch, call.life.touchedAt + idleMs);
      return watched(watch, call, next);
    }
    const askedMs = said === '' ? Number.POSITIVE_INFINITY : parseGrpcTimeout(said);
    if (askedMs < 0)
      return refusal(
        refused(
          Code.INTERNAL,
          `malformed grpc-timeout '${said.slice(0, 32)}': it must be 1 to 8 digits and one of H M S m u n, such as 250m`,
        ),
      );
    const mostMs = Math.min(longestCallMs, most ?? Number.POSITIVE_INFINITY);
    const grantedMs = Math.min(askedMs, mostMs);
    const deadlineAt = call.arrival.arrivedAt + grantedMs;
    const by = most !== null && most < askedMs ? call.policy.origins['timeout'] : undefined;
    if (deadlineAt <= clock.now()) {
      expired.value++;
      const whose = said === '' || by !== undefined ? `timeout of ${grantedMs} ms` : `grpc-timeout ${said}`;
      return refusal(
        refused(Code.DEADLINE_EXCEEDED, `${place}: the deadline had passed when the call came (${whose})`),
      );
    }
    const limit = new Limit(call, wheel, expired, place, grantedMs, by);
    wheel.armAt(limit, deadlineAt);
    return watched(limit, call.until(deadlineAt), next);
  };
};

const watched = (watch: Watch, call: Call, next: Parameters<Filter<Call>>[1]): ReturnType<Filter<Call>> => {
  call.life.witness(watch);
  try {
    return next(call);
  } catch (bug) {
    call.life.forget(watch);
    watch.over();
    throw bug;
  }
};

/** A call's entry in the wheel, off again when the call is over. */
abstract class Watch extends Timer implements Witness {
  earlier: Witness | null = null;
  protected readonly call: Call;
  protected readonly wheel: Wheel;
  protected readonly expired: Count;
  protected readonly place: string;
  protected readonly grantedMs: number;

  constructor(call: Call, wheel: Wheel, expired: Count, place: string, grantedMs: number) {
    super();
    this.call = call;
    this.wheel = wheel;
    this.expired = expired;
    this.place = place;
    this.grantedMs = grantedMs;
  }

  over(): void {
    this.wheel.disarm(this);
  }

  /** Ends the call, saying who decided and what it was doing. */
  protected end(why: string): void {
    const { life } = this.call;
    const where = life.doing || (life.at === null ? 'in the mesh' : `at ${life.at.address.id}`);
    this.expired.value++;
    life.cancel(ended(Code.DEADLINE_EXCEEDED, `${this.place}: ${why}; when it ended the call was ${where}`));
  }
}

/** Ends a call at its deadline. */
class Limit extends Watch {
  readonly #by: string | undefined;

  /** `by`: where the policy stands that gave less time than was asked for; undefined when none did. */
  constructor(
    call: Call,
    wheel: Wheel,
    expired: Count,
    place: string,
    grantedMs: number,
    by: string | undefined,
  ) {
    super(call, wheel, expired, place, grantedMs);
    this.#by = by;
  }

  expire(): void {
    const whose = this.#by === undefined ? '' : `, which a policy sets (${this.#by}),`;
    this.end(`the deadline of ${Math.round(this.grantedMs * 1000) / 1000} ms${whose} has passed`);
  }
}

/** Ends a call that has no deadline when it is silent for too long; looks again when there were bytes meanwhile. */
class IdleWatch extends Watch {
  expire(): void {
    const idleUntil = this.call.life.touchedAt + this.grantedMs;
    if (idleUntil > this.dueAt) this.wheel.armAt(this, idleUntil);
    else this.end(`no deadline was set, and no byte went either way for ${this.grantedMs} ms`);
  }
}

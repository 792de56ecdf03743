import type { Accounts } from '../core/accounts.ts';
import type { Call } from '../core/call.ts';
import type { Filter } from '../core/filter.ts';
import { parseGrpcTimeout } from '../core/grpc-timeout.ts';
import type { Clock, Kit } from '../core/kit.ts';
import type { Witness } from '../core/life.ts';
import type { Count, Meter } from '../core/meter.ts';
import { type Reply, refusal } from '../core/reply.ts';
import { Code, ended, refused, type Status } from '../core/status.ts';
import { Timer, type Wheel } from '../core/wheel.ts';
import type { Latencies, MethodTimes } from '../policies/latencies.ts';

/** How long calls may last. */
export interface DeadlineSettings {
  /** No deadline is later than this after the call's arrival; milliseconds. */
  readonly longestCallMs: number;
  /** An inbound call without a deadline ends when no byte went either way for this long; milliseconds. */
  readonly idleStreamMs: number;
  /** False: no call gets a deadline, and none passes one on. For control runs alone; default true. */
  readonly enforced?: boolean;
}

/** What calls that leave are known by; calls that come in have neither. */
export interface DeadlineParts {
  /** How long the calls of each method took. */
  readonly latencies: Latencies;
  /** Where slow calls are remembered, for the calls on whose behalf they were made. */
  readonly accounts: Accounts;
}

/** A day; five minutes, as Envoy's stream idle timeout. */
const deadlineDefaults: DeadlineSettings = { longestCallMs: 86_400_000, idleStreamMs: 300_000 };

/**
 * How long behind the deadline a verified sidecar may say itself that time is over, milliseconds. Its own deadline is
 * nearer than ours, by what the way took: its answer is on the way, and says where the time went.
 */
const graceMs = 10;

/**
 * Ends a call that has run out of time, and may refuse one that has too little left.
 *
 * Above   all that waits: so that waiting is paid from the caller's time
 * Reads   grpc-timeout, arrival.arrivedAt, life.touchedAt; outbound: policy.timeout, policy.unary, policy.unary-timeout,
 *         policy.idle-stream, policy.doomed
 * Answers DEADLINE_EXCEEDED; INTERNAL to a malformed grpc-timeout, as grpc-go does (the spec names no code)
 * Counts  outrigger_deadline_expired_total, outrigger_doomed_total, outrigger_would_doom_total
 * Keeps   one entry of the wheel per call; outbound: the median and the last ten seconds of up to 2,000 methods
 * Status  alpha
 *
 * Headers cannot tell a unary call from a stream: a built-in deadline is only for methods that are known to be unary.
 * What has no deadline is watched for bytes. A policy's timeout is the deadline of calls that have none, and the most
 * that others get (gRFC A2). The transport sends each attempt what is left of `call.deadlineAt`.
 */
export const deadline = (
  { clock, wheel, meter }: Kit,
  direction: 'outbound' | 'inbound',
  { longestCallMs, idleStreamMs, enforced = true }: DeadlineSettings = deadlineDefaults,
  parts: DeadlineParts | null = null,
): Filter<Call> => {
  const isOutbound = direction === 'outbound';
  const terms: Terms = {
    clock,
    wheel,
    expired: meter.count('outrigger_deadline_expired_total', direction),
    place: isOutbound ? "the caller's sidecar" : "the callee's sidecar",
    parts,
    isOutbound,
  };
  const { expired, place } = terms;
  const doomed = parts === null ? null : doomedCalls(meter, place);
  return function deadline(call, next) {
    if (!enforced) return next(call);
    const said = call.arrival.words.timeout;
    const times = parts === null ? null : parts.latencies.of(call.method);
    const { policy } = call;
    const most = isOutbound ? policy.timeout : null;
    const standIn =
      isOutbound && said === '' && most === null && policy.unary ? policy['unary-timeout'] : most;
    if (said === '' && standIn === null) {
      const idleMs = isOutbound ? policy['idle-stream'] : idleStreamMs;
      const watch = new IdleWatch(call, terms, times, idleMs);
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
    const mostMs = Math.min(longestCallMs, standIn ?? Number.POSITIVE_INFINITY);
    const grantedMs = Math.min(askedMs, mostMs);
    const deadlineAt = call.arrival.arrivedAt + grantedMs;
    const word = most === null ? 'unary-timeout' : 'timeout';
    const by =
      standIn !== null && standIn < askedMs ? (policy.origins[word] ?? `built-in ${word}`) : undefined;
    const now = clock.now();
    if (deadlineAt <= now) {
      expired.value++;
      const whose = said === '' || by !== undefined ? `timeout of ${grantedMs} ms` : `grpc-timeout ${said}`;
      return refusal(
        refused(Code.DEADLINE_EXCEEDED, `${place}: the deadline had passed when the call came (${whose})`),
      );
    }
    if (doomed !== null && times !== null && policy.doomed.mode !== 'off') {
      const refusing = doomed(call, times, deadlineAt - now, now);
      if (refusing !== null) return refusing;
    }
    const limit = new Limit(call, terms, times, grantedMs, deadlineAt, by);
    wheel.armAt(limit, deadlineAt - grantedMs / 2);
    return watched(limit, call.until(deadlineAt), next);
  };
};

/** Refuses, or only counts, what has less time left than half of the method's calls took; null: the call goes on. */
const doomedCalls = (meter: Meter, place: string) => {
  const refusedCalls = meter.count('outrigger_doomed_total');
  const wouldRefuse = meter.count('outrigger_would_doom_total');
  return (
    { method, policy }: Call,
    times: MethodTimes,
    leftMs: number,
    now: number,
  ): Promise<Reply> | null => {
    const medianMs = times.doom.of(leftMs, now);
    if (medianMs === 0) return null;
    if (policy.doomed.mode === 'shadow') {
      wouldRefuse.value++;
      return null;
    }
    refusedCalls.value++;
    const why = `${rounded(leftMs)} ms are left, and half of the calls of ${method} take ${rounded(medianMs)} ms or more`;
    return refusal(refused(Code.DEADLINE_EXCEEDED, `${place}: ${why}: it was not sent (policy doomed)`));
  };
};

const rounded = (ms: number): number => Math.round(ms * 1000) / 1000;

const watched = (watch: Watch, call: Call, next: Parameters<Filter<Call>>[1]): ReturnType<Filter<Call>> => {
  call.life.witness(watch);
  try {
    return next(call);
  } catch (bug) {
    call.life.forget(watch);
    watch.disarm();
    throw bug;
  }
};

/** What all watches of one filter share. */
interface Terms {
  readonly clock: Clock;
  readonly wheel: Wheel;
  readonly expired: Count;
  readonly place: string;
  readonly parts: DeadlineParts | null;
  readonly isOutbound: boolean;
}

/** A call's entry in the wheel, off again when the call is over. */
abstract class Watch extends Timer implements Witness {
  earlier: Witness | null = null;
  protected readonly call: Call;
  protected readonly terms: Terms;
  protected readonly grantedMs: number;
  readonly #times: MethodTimes | null;

  constructor(call: Call, terms: Terms, times: MethodTimes | null, grantedMs: number) {
    super();
    this.call = call;
    this.terms = terms;
    this.#times = times;
    this.grantedMs = grantedMs;
  }

  over(status: Status): void {
    this.disarm();
    if (this.#times === null || status.code !== Code.OK) return;
    const { arrival, life } = this.call;
    const now = life.endedAt(this.terms.clock);
    this.#times.record(now - arrival.arrivedAt, now);
  }

  disarm(): void {
    this.terms.wheel.disarm(this);
  }

  /** Ends the call, saying who decided and what it was doing. */
  protected end(why: string): void {
    const { life } = this.call;
    const where = life.doing || (life.at === null ? 'in the mesh' : `at ${life.at.address.id}`);
    life.cancel(
      ended(Code.DEADLINE_EXCEEDED, `${this.terms.place}: ${why}; when it ended the call was ${where}`),
    );
  }
}

/** Ends a call at its deadline. At half of it the call is slow: from then on it matters where the time goes. */
class Limit extends Watch {
  readonly #by: string | undefined;
  readonly #deadlineAt: number;
  #isPast = false;

  /** `by`: where the policy stands that gave less time than was asked for; undefined when none did. */
  constructor(
    call: Call,
    terms: Terms,
    times: MethodTimes | null,
    grantedMs: number,
    deadlineAt: number,
    by: string | undefined,
  ) {
    super(call, terms, times, grantedMs);
    this.#deadlineAt = deadlineAt;
    this.#by = by;
  }

  expire(): void {
    const { wheel, clock, parts, isOutbound, expired } = this.terms;
    const { life } = this.call;
    if (!life.isSlow) {
      life.isSlow = true;
      parts?.accounts.slow(life);
      if (clock.now() < this.#deadlineAt) return wheel.armAt(this, this.#deadlineAt);
    }
    if (!this.#isPast) {
      this.#isPast = true;
      expired.value++;
      if (isOutbound && life.tells) return wheel.armAt(this, this.#deadlineAt + graceMs);
    }
    const whose = this.#by === undefined ? '' : `, which a policy sets (${this.#by}),`;
    this.end(`the deadline of ${rounded(this.grantedMs)} ms${whose} has passed`);
  }
}

/** Ends a call that has no deadline when it is silent for too long; looks again when there were bytes meanwhile. */
class IdleWatch extends Watch {
  expire(): void {
    const { wheel, expired } = this.terms;
    const idleUntil = this.call.life.touchedAt + this.grantedMs;
    if (idleUntil > this.dueAt) return wheel.armAt(this, idleUntil);
    expired.value++;
    this.end(`no deadline was set, and no byte went either way for ${this.grantedMs} ms`);
  }
}

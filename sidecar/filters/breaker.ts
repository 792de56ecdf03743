import type { Call, RoutedCall } from '../core/call.ts';
import type { ServiceGateView } from '../core/endpoint.ts';
import type { Filter, Service } from '../core/filter.ts';
import type { Clock, Kit } from '../core/kit.ts';
import type { Witness } from '../core/life.ts';
import { type Reply, refusal } from '../core/reply.ts';
import { pushbackName } from '../core/retry-pushback.ts';
import type { ServiceView } from '../core/snapshot.ts';
import { Code, refused, type Status } from '../core/status.ts';
import { serviceVerdictOf } from '../policies/verdict.ts';

/** A trial under way ends soon: who is refused meanwhile may as well ask again after this time, milliseconds. */
const trialMs = 1000;

/**
 * Refuses calls to a service of which all that is left fails, and some of those to one that refuses most.
 *
 * Above   retry: so that a service known to be down costs no attempt, and hears how calls ended after all attempts
 * Reads   the service's gate, life.outcome, call.deadlineAt, arrival.arrivedAt
 * Answers UNAVAILABLE with grpc-retry-pushback-ms while the gate is shut; RESOURCE_EXHAUSTED for what is throttled
 * Counts  outrigger_breaker_refused_total, outrigger_throttled_total, outrigger_would_throttle_total, through the gate
 * Keeps   nothing: the gate belongs to the service
 * Status  alpha
 *
 * Judges beside the call, as eject does: the one object that it makes for a call that passes hears how it ended. While
 * the gate is probing one call passes; it went well when its reply has begun and did not fail for a second.
 */
export const breaker = (
  { clock }: Kit,
  gates: (service: ServiceView) => ServiceGateView | null,
): Filter<RoutedCall> =>
  function breaker(routed, next) {
    const { call, service } = routed;
    const gate = gates(service);
    if (gate === null || gate.idle) return next(routed);
    if (gate.gate !== 'open')
      return gate.enter() ? onTrial(clock, gate, routed, next) : refuse(gate, service);
    if (gate.throttles(call.arrival.arrivedAt)) return throttle(service);
    call.life.witness(new Hearing(clock, gate, call));
    return next(routed);
  };

const onTrial = async (
  clock: Clock,
  gate: ServiceGateView,
  routed: RoutedCall,
  next: Service<RoutedCall>,
): Promise<Reply> => {
  const { epoch } = gate;
  routed.call.life.witness(new Hearing(clock, gate, routed.call));
  const reply = await next(routed);
  if (reply.over === null) gate.begun(epoch);
  return reply;
};

const refuse = (gate: ServiceGateView, { name }: ServiceView): Promise<Reply> => {
  const { why, nextMs } = gate.refuse();
  const next = nextMs > 0 ? `it is tried next in ${Math.ceil(nextMs)} ms` : 'it is being tried now';
  const status = refused(Code.UNAVAILABLE, `the gate of service '${name}' is ${gate.gate}: ${why}; ${next}`);
  return refusal(status, [pushbackName, String(Math.ceil(nextMs) || trialMs)]);
};

const throttle = ({ name }: ServiceView): Promise<Reply> =>
  refusal(
    refused(Code.RESOURCE_EXHAUSTED, `service '${name}' refuses most calls: this one was not sent to it`),
  );

/** Tells the service's gate how the call ended. */
class Hearing implements Witness {
  earlier: Witness | null = null;
  readonly #clock: Clock;
  readonly #gate: ServiceGateView;
  readonly #call: Call;
  readonly #epoch: number;

  constructor(clock: Clock, gate: ServiceGateView, call: Call) {
    this.#clock = clock;
    this.#gate = gate;
    this.#call = call;
    this.#epoch = gate.epoch;
  }

  over(status: Status): void {
    const { arrival, deadlineAt } = this.#call;
    const leftMs = status.from === 'peer' ? 0 : deadlineAt - this.#clock.now();
    const verdict = serviceVerdictOf(status, deadlineAt - arrival.arrivedAt, leftMs);
    this.#gate.judge(verdict, this.#epoch, status, arrival.arrivedAt);
  }
}

import type { Attempt, RoutedCall } from '../core/call.ts';
import type { EndpointView } from '../core/endpoint.ts';
import type { Filter } from '../core/filter.ts';
import type { Kit } from '../core/kit.ts';
import { refusal } from '../core/reply.ts';
import type { ServiceView } from '../core/snapshot.ts';
import { Code, refused } from '../core/status.ts';
import { leastBad } from '../policies/least-bad.ts';
import { Panics } from '../policies/panics.ts';
import { peakEwma } from '../policies/peak-ewma.ts';
import { roundRobin } from '../policies/round-robin.ts';
import { twoChoices } from '../policies/two-choices.ts';

/** The positions of those endpoints that stand in our zone; null where that makes no difference. */
export type Near = (endpoints: readonly EndpointView[]) => readonly number[] | null;

const nowhere: Near = () => null;

/**
 * Chooses the endpoint of an attempt: RoutedCall -> Attempt.
 *
 * Above   eject: so that a verdict is about one endpoint
 * Reads   policy.balance, policy.zone; the service's endpoints: available, load, gate, zone, costMs, youngUntil; routed.met
 * Answers UNAVAILABLE when the service has no endpoint
 * Counts  outrigger_zone_calls_total, outrigger_panic_total
 * Keeps   whose turn it is, for round robin; services in panic
 * Status  alpha
 *
 * Endpoints that are shut, lost or already met are passed over. When none is left the least bad is taken: that
 * gates are shut is no reason to fail a call that might go well. That is a panic: counted, and told once.
 */
export const balance = (
  kit: Kit,
  endpoints: (service: ServiceView) => readonly EndpointView[],
  near: Near = nowhere,
): Filter<RoutedCall, Attempt> => {
  const { clock, meter, random } = kit;
  const byLatency = peakEwma(random);
  const byLoad = twoChoices(random);
  const inTurn = roundRobin(random);
  const panics = new Panics(kit);
  const ownZone = meter.count('outrigger_zone_calls_total', 'own');
  const otherZone = meter.count('outrigger_zone_calls_total', 'other');
  return function balance({ call, service, met }, next) {
    const all = endpoints(service);
    const { policy } = call;
    const first = policy.zone === 'prefer' ? near(all) : null;
    const choose =
      policy.balance === 'peak-ewma' ? byLatency : policy.balance === 'two-choices' ? byLoad : inTurn;
    const begunAt = clock.now();
    let endpoint = choose(all, met, begunAt, first);
    if (endpoint === null) {
      endpoint = leastBad(all, met);
      if (endpoint === null)
        return refusal(refused(Code.UNAVAILABLE, `service '${service.name}' has no instance now`));
      panics.call(service.name, all);
    } else if (panics.size > 0) panics.calm(service.name);
    if (endpoint.zone !== null) (endpoint.zone === 'own' ? ownZone : otherZone).value++;
    // Takes the trial; a call for which nothing better is left goes even when another has it.
    const beside = endpoint.gate === 'probing' && !endpoint.enter();
    call.life.at = endpoint;
    call.life.attempts++;
    return next({ call, endpoint, begunAt, previous: met.length, beside });
  };
};

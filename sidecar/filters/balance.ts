import type { Attempt, RoutedCall } from '../core/call.ts';
import type { EndpointView } from '../core/endpoint.ts';
import type { Filter } from '../core/filter.ts';
import type { Kit } from '../core/kit.ts';
import { refusal } from '../core/reply.ts';
import type { ServiceView } from '../core/snapshot.ts';
import { Code, refused } from '../core/status.ts';
import { leastBad } from '../policies/least-bad.ts';
import { roundRobin } from '../policies/round-robin.ts';
import { twoChoices } from '../policies/two-choices.ts';

/**
 * Chooses the endpoint of an attempt: RoutedCall -> Attempt.
 *
 * Above   eject: so that a verdict is about one endpoint
 * Reads   policy.balance; the service's endpoints: available, load, gate; routed.met
 * Answers UNAVAILABLE when the service has no endpoint
 * Counts  nothing
 * Keeps   whose turn it is, for round robin
 * Status  alpha
 *
 * Endpoints that are shut, lost or already met are passed over. When none is left the least bad is taken: that
 * gates are shut is no reason to fail a call that might go well.
 */
export const balance = (
  { random }: Kit,
  endpoints: (service: ServiceView) => readonly EndpointView[],
): Filter<RoutedCall, Attempt> => {
  const byLoad = twoChoices(random);
  const inTurn = roundRobin(random);
  return function balance({ call, service, met }, next) {
    const all = endpoints(service);
    const choose = call.policy.balance === 'round-robin' ? inTurn : byLoad;
    const endpoint = choose(all, met) ?? leastBad(all, met);
    if (endpoint === null)
      return refusal(refused(Code.UNAVAILABLE, `service '${service.name}' has no instance now`));
    // Takes the trial; a call for which nothing better is left goes even when another has it.
    const beside = endpoint.gate === 'probing' && !endpoint.enter();
    call.life.at = endpoint;
    return next({ call, endpoint, previous: met.length, beside });
  };
};

import type { Call } from '../core/call.ts';
import type { Filter } from '../core/filter.ts';
import { methodPolicy, type Policies, policyOf, type ServicePolicy } from '../core/policy.ts';
import { nameInAuthority } from '../policies/service-name.ts';

const mostNames = 1024;

/**
 * Finds the policy of a call, by the service that it names and its method.
 *
 * Above   deadline, flags, retry and balance: so that all of them read one policy
 * Reads   snapshot.policies; x-outrigger-service, else the port dialled, else :authority; the method
 * Answers nothing
 * Counts  nothing
 * Keeps   what up to 1,024 spellings of a service mean under the latest policies
 * Status  alpha
 *
 * Policies were merged when they changed: a call costs one look-up for its service, and one or two for its method
 * where the service has policies of methods. The service is the one that is named, whatever a router makes of it.
 */
export const govern = (): Filter<Call> => {
  const spellings = new Spellings();
  return function govern(call, next) {
    const { policies } = call.snapshot;
    // Born with the policy of services that nobody speaks of: where nobody speaks of any, that is it.
    if (policies.services.size === 0 && policies.any.methods === null) return next(call);
    const policy = methodPolicy(spellings.policyOf(policies, call), call.method);
    return next(policy === call.policy ? call : call.governed(policy));
  };
};

/** Remembers what each authority means, for as long as the policies hold. */
class Spellings {
  #policies: Policies | null = null;
  #byAuthority: Map<string, ServicePolicy> = new Map();

  policyOf(policies: Policies, { arrival }: Call): ServicePolicy {
    const plain = arrival.words.service || arrival.port;
    if (plain !== '') return policyOf(policies, plain);
    if (policies !== this.#policies) {
      this.#policies = policies;
      this.#byAuthority = new Map();
    }
    const known = this.#byAuthority.get(arrival.authority);
    if (known !== undefined) return known;
    const policy = policyOf(policies, nameInAuthority(arrival.authority).name);
    if (this.#byAuthority.size >= mostNames) this.#byAuthority.clear();
    this.#byAuthority.set(arrival.authority, policy);
    return policy;
  }
}

import { isDeepStrictEqual } from 'node:util';
import type {
  Policies,
  Policy,
  PolicyFault,
  PolicyLayer,
  PolicyRule,
  PolicyValues,
  ServicePolicy,
} from '../core/policy.ts';
import { policyConflicts } from '../core/policy-conflicts.ts';
import { frozenMap } from './freeze.ts';

/**
 * Merges what all layers say into one policy for each service and method that is spoken of.
 *
 * The order, from the least: built in, the contract, Consul's config entries, the file, KV. Within a layer: `*`, a method of `*`,
 * the service, all methods of a gRPC service, one method. Of equals the later one wins. Each value is merged by
 * itself, and remembers who said it.
 *
 * Remembers the last rules, so that what says the same again keeps its identity.
 */
export const policyMerger = (
  values: PolicyValues,
): ((rules: readonly PolicyRule[], faults: readonly PolicyFault[]) => Policies) => {
  let last: { readonly rules: readonly PolicyRule[]; readonly policies: Policies } | null = null;
  return (rules, faults) => {
    const same = last !== null && isDeepStrictEqual(last.rules, rules) ? last.policies : null;
    if (same !== null && isDeepStrictEqual(same.faults, faults)) return same;
    const merged = same ?? merge(values, rules);
    const frozen = Object.freeze(faults.map((fault) => Object.freeze({ ...fault })));
    const conflicts = same?.conflicts ?? Object.freeze(policyConflicts(merged));
    const policies = Object.freeze({ any: merged.any, services: merged.services, faults: frozen, conflicts });
    last = { rules, policies };
    return policies;
  };
};

const layers: readonly PolicyLayer[] = ['contract', 'entries', 'file', 'kv'];

/** Where a rule stands in the order. */
const rank = ({ layer, service, method }: PolicyRule): number =>
  layers.indexOf(layer) * 6 + (service === '*' ? 0 : 3) + (method === '' ? 0 : method.endsWith('/*') ? 1 : 2);

const merge = (values: PolicyValues, rules: readonly PolicyRule[]): Pick<Policies, 'any' | 'services'> => {
  const base = leavesOf(values);
  const ordered = [...rules].sort((one, other) => rank(one) - rank(other));
  const common = ordered.filter(({ service }) => service === '*');
  const byService = new Map<string, PolicyRule[]>();
  for (const { service } of ordered) if (service !== '*') byService.set(service, []);
  for (const rule of ordered) if (rule.service !== '*') byService.get(rule.service)!.push(rule);
  const services = [...byService].map(([service, own]): [string, ServicePolicy] => [
    service,
    servicePolicy(
      base,
      own.concat(common).sort((one, other) => rank(one) - rank(other)),
    ),
  ]);
  return { any: servicePolicy(base, common), services: frozenMap(services) };
};

/** `rules`: those that speak of one service or of all, in order. */
const servicePolicy = (base: Leaves, rules: readonly PolicyRule[]): ServicePolicy => {
  const methods = new Set(rules.map(({ method }) => method));
  methods.delete('');
  const of = (method: string): Policy =>
    policyFrom(
      base,
      rules.filter((rule) => speaksOf(rule, method)),
    );
  const own = [...methods].map((method): [string, Policy] => [method, of(method)]);
  return Object.freeze({ all: of(''), methods: own.length === 0 ? null : frozenMap(own) });
};

const speaksOf = (rule: PolicyRule, method: string): boolean =>
  rule.method === '' ||
  rule.method === method ||
  (rule.method.endsWith('/*') && method.startsWith(rule.method.slice(0, -1)));

/** Values by their path: `timeout`, `flags.express`. */
type Leaves = ReadonlyMap<string, unknown>;

/** A list is one value. */
const hasParts = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const leavesOf = (words: object): Leaves => {
  const leaves = new Map<string, unknown>();
  for (const [word, value] of Object.entries(words)) {
    if (value === undefined) continue;
    if (!hasParts(value)) leaves.set(word, value);
    else
      for (const [part, inner] of Object.entries(value))
        if (inner !== undefined) leaves.set(`${word}.${part}`, inner);
  }
  return leaves;
};

const policyFrom = (base: Leaves, rules: readonly PolicyRule[]): Policy => {
  const values = new Map(base);
  const origins = new Map<string, string>();
  for (const { words, origin } of rules)
    for (const [path, value] of leavesOf(words)) {
      values.set(path, value);
      origins.set(path, origin);
    }
  const built = new Map<string, unknown>();
  const groups = new Map<string, Map<string, unknown>>([['flags', new Map()]]);
  for (const [path, value] of values) {
    // A flag may have dots in its name: the first one alone divides.
    const dot = path.indexOf('.');
    if (dot < 0) built.set(path, value);
    else {
      const word = path.slice(0, dot);
      const group = groups.get(word) ?? new Map<string, unknown>();
      groups.set(word, group.set(path.slice(dot + 1), value));
    }
  }
  for (const [word, group] of groups) built.set(word, plain(group));
  return plain(built.set('origins', plain(origins))) as unknown as Policy;
};

/** Not written key by key: a flag may be called `__proto__`. */
const plain = (values: ReadonlyMap<string, unknown>): object => Object.freeze(Object.fromEntries(values));

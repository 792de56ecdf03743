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
  const merger = new Merger(values);
  return (rules, faults) => {
    const same = last !== null && isDeepStrictEqual(last.rules, rules) ? last.policies : null;
    if (same !== null && isDeepStrictEqual(same.faults, faults)) return same;
    const merged = same ?? merger.merge(rules);
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

/** Rules with their places in the order. A contract has thousands: each is looked at once. */
interface Ranked {
  readonly rule: PolicyRule;
  readonly rank: number;
}

const inOrder = (ranked: readonly Ranked[]): Ranked[] =>
  [...ranked].sort((one, other) => one.rank - other.rank);

/** What was merged of one service, and of what. */
interface MergedService {
  readonly rules: readonly PolicyRule[];
  readonly policy: ServicePolicy;
}

/** Merges service by service: where one has a new contract, the others are as they were. */
class Merger {
  readonly #base: Leaves;
  #common: MergedService | null = null;
  #services: ReadonlyMap<string, MergedService> = new Map();

  constructor(values: PolicyValues) {
    this.#base = leavesOf(values);
  }

  merge(rules: readonly PolicyRule[]): Pick<Policies, 'any' | 'services'> {
    const common: Ranked[] = [];
    const byService = new Map<string, Ranked[]>();
    for (const rule of rules) {
      const ranked = { rule, rank: rank(rule) };
      if (rule.service === '*') common.push(ranked);
      else {
        const own = byService.get(rule.service);
        if (own === undefined) byService.set(rule.service, [ranked]);
        else own.push(ranked);
      }
    }
    this.#common = this.#merged(common, this.#common);
    const services = new Map<string, MergedService>();
    for (const [service, own] of byService)
      services.set(service, this.#merged(own.concat(common), this.#services.get(service) ?? null));
    this.#services = services;
    const policies = [...services].map(([service, { policy }]): [string, ServicePolicy] => [service, policy]);
    return { any: this.#common.policy, services: frozenMap(policies) };
  }

  #merged(ranked: readonly Ranked[], before: MergedService | null): MergedService {
    const rules = inOrder(ranked).map(({ rule }) => rule);
    if (before !== null && isDeepStrictEqual(before.rules, rules)) return before;
    return { rules, policy: servicePolicy(this.#base, rules) };
  }
}

/** `rules`: those that speak of one service or of all, in order. */
const servicePolicy = (base: Leaves, rules: readonly PolicyRule[]): ServicePolicy => {
  // What speaks of many methods, by its place among all; and what speaks of exactly one.
  const wide: Placed[] = [];
  const exact = new Map<string, Placed[]>();
  for (const [place, rule] of rules.entries()) {
    if (rule.method === '' || rule.method.endsWith('/*')) wide.push({ place, rule });
    if (rule.method === '') continue;
    const own = exact.get(rule.method) ?? [];
    if (own.length === 0) exact.set(rule.method, own);
    if (!rule.method.endsWith('/*')) own.push({ place, rule });
  }
  const merged = new Merged(base);
  const of = (method: string, own: readonly Placed[]): Policy => {
    const heard = wide.filter(({ rule }) => speaksOf(rule, method));
    const first = heard.length === 0 || own.length === 0 || own.at(-1)!.place < heard[0]!.place;
    const all = first ? own.concat(heard) : [...heard, ...own].sort((one, other) => one.place - other.place);
    return merged.of(all);
  };
  const methods = [...exact].map(([method, own]): [string, Policy] => [method, of(method, own)]);
  return Object.freeze({ all: of('', []), methods: methods.length === 0 ? null : frozenMap(methods) });
};

interface Placed {
  readonly place: number;
  readonly rule: PolicyRule;
}

const speaksOf = ({ method: said }: PolicyRule, method: string): boolean =>
  said === '' || said === method || (said.endsWith('/*') && method.startsWith(said.slice(0, -1)));

/** Policies by the words that they were merged of: the methods of a contract have few that differ. */
class Merged {
  readonly #base: Leaves;
  readonly #numbers: Map<unknown, number> = new Map();
  readonly #policies: Map<string, Policy> = new Map();

  constructor(base: Leaves) {
    this.#base = base;
  }

  of(placed: readonly Placed[]): Policy {
    let key = '';
    for (const { rule } of placed) key += `${this.#number(rule.words)}:${this.#number(rule.origin)} `;
    let policy = this.#policies.get(key);
    if (policy === undefined) {
      policy = policyFrom(
        this.#base,
        placed.map(({ rule }) => rule),
      );
      this.#policies.set(key, policy);
    }
    return policy;
  }

  #number(thing: unknown): number {
    let number = this.#numbers.get(thing);
    if (number === undefined) this.#numbers.set(thing, (number = this.#numbers.size));
    return number;
  }
}

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

import { isDeepStrictEqual } from 'node:util';
import { type Policy, policyOf, type ServicePolicy } from '../core/policy.ts';
import type { Snapshot } from '../core/snapshot.ts';
import { codeNames } from '../core/status.ts';

/** One value of a policy, and who said it. Times are milliseconds. */
interface Said {
  readonly value: unknown;
  readonly origin: string;
}

/** A policy as people see it: value by value, with what its methods have otherwise. */
type Report = Record<string, Said | Record<string, Record<string, Said>>>;

/**
 * What holds for calls to each service that is known or spoken of, `*` for all others, and who said each value.
 */
export const plainPolicies = ({ policies, services }: Snapshot): Record<string, Report> => {
  const names = new Set([...services.keys(), ...policies.services.keys()]);
  return {
    '*': report(policies.any),
    ...Object.fromEntries([...names].sort().map((name) => [name, report(policyOf(policies, name))])),
  };
};

const report = ({ all, methods }: ServicePolicy): Report => {
  const common = valuesOf(all);
  const own = [...(methods ?? [])].map(([method, policy]): [string, Record<string, Said>] => [
    method,
    Object.fromEntries([...valuesOf(policy)].filter(([path, said]) => !isSame(common.get(path), said))),
  ]);
  return {
    ...Object.fromEntries(common),
    ...(own.length > 0 && { methods: Object.fromEntries(own) }),
  };
};

const isSame = (one: Said | undefined, other: Said): boolean =>
  one?.origin === other.origin && isDeepStrictEqual(one.value, other.value);

/** Codes by their names, as the file has them. */
const named = (value: unknown): unknown =>
  Array.isArray(value) ? value.map((one) => (typeof one === 'number' ? codeNames[one] : one)) : value;

const valuesOf = ({ origins, ...values }: Policy): Map<string, Said> => {
  const said = new Map<string, Said>();
  const add = (path: string, value: unknown): void =>
    void said.set(path, { value: named(value), origin: origins[path] ?? 'built-in' });
  for (const [word, value] of Object.entries(values)) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) add(word, value);
    else for (const [part, inner] of Object.entries(value)) add(`${word}.${part}`, inner);
  }
  return said;
};

import { type Contract, type MethodFacts, worse } from './contract.ts';
import type { PolicyRule, PolicyWords } from './policy.ts';

/** Contracts that an origin names by their hashes; of more, how many there are. */
const mostNamed = 3;

/**
 * What these contracts say of calls to `service`, as rules of the layer `contract`. Several are those of its versions
 * that run beside each other: a method is unary or idempotent only when all that have it say so.
 *
 * Of methods that say the same the rules share their words, so that they are merged once.
 */
export const contractRules = (
  service: string,
  contracts: readonly Contract[],
  origin: string = originOf(service, contracts),
): PolicyRule[] => {
  const methods = new Map<string, MethodFacts>();
  for (const contract of contracts)
    for (const [path, facts] of contract.methods) methods.set(path, worse(methods.get(path) ?? facts, facts));
  return [...methods].map(([method, { unary, idempotent }]) => ({
    layer: 'contract' as const,
    service,
    method,
    words: words[(unary ? 1 : 0) + (idempotent ? 2 : 0)]!,
    origin,
  }));
};

const words: readonly PolicyWords[] = [
  [false, false],
  [true, false],
  [false, true],
  [true, true],
].map(([unary, idempotent]) => Object.freeze({ unary, idempotent }));

/** How a contract is named to people: `contract of inventory 3f2a91c0…`. */
export const originOf = (service: string, contracts: readonly Pick<Contract, 'hash'>[]): string => {
  const hashes = contracts.map(({ hash }) => `${hash.slice(0, 8)}…`).sort();
  const more = hashes.length > mostNamed ? [`${hashes.length - mostNamed} more`] : [];
  return `contract of ${service} ${[...hashes.slice(0, mostNamed), ...more].join(' and ')}`;
};

import type { Contract } from '../../core/contract.ts';
import { contractRules, originOf } from '../../core/contract-rules.ts';
import type { PolicyFault, PolicyRule } from '../../core/policy.ts';

/** Methods of all names together: no slice may say more of how calls are treated. */
const mostRules = 20_000;

/** The rules of one name, and of which contracts. */
interface OfName {
  readonly contracts: string;
  readonly rules: readonly PolicyRule[];
}

/** Rules are what the contracts of all names come to. What did not change is the same object as before. */
export class Rules {
  #byName: ReadonlyMap<string, OfName> = new Map();
  #all: readonly PolicyRule[] = [];
  #faults: readonly PolicyFault[] = [];

  /** Names whose contracts had no room. */
  get faults(): readonly PolicyFault[] {
    return this.#faults;
  }

  /** `announced`: the hashes of each name. One that is not known yet says nothing. */
  of(
    announced: ReadonlyMap<string, readonly string[]>,
    known: (hash: string) => Contract | undefined,
  ): readonly PolicyRule[] {
    const byName = new Map<string, OfName>();
    const faults: PolicyFault[] = [];
    let count = 0;
    for (const [name, hashes] of announced) {
      const contracts = hashes.map(known).filter((contract) => contract !== undefined);
      if (contracts.length === 0) continue;
      const which = contracts.map(({ hash }) => hash).join(' ');
      const before = this.#byName.get(name);
      const rules = before?.contracts === which ? before.rules : contractRules(name, contracts);
      if (count + rules.length > mostRules) {
        const problem = `is not used: with it there would be more than ${mostRules} methods`;
        faults.push({ origin: originOf(name, contracts), problem });
        continue;
      }
      count += rules.length;
      byName.set(name, { contracts: which, rules });
    }
    const isSame =
      byName.size === this.#byName.size &&
      [...byName].every(([name, { rules }]) => this.#byName.get(name)?.rules === rules);
    this.#faults = faults;
    this.#byName = byName;
    if (!isSame) this.#all = [...byName.values()].flatMap(({ rules }) => rules);
    return this.#all;
  }
}

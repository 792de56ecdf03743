import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from '@openfeature/core';
import type { FeatureFlag } from '@openfeature/flagd-core';
import type { FlagAnswer, FlagDefinition, FlagDefinitions, FlagSet } from '../../core/flag-set.ts';
import { frozenMap } from '../freeze.ts';

/** Makes definitions such that they can be asked; rejects with an error that names place and cause. */
export type CompileFlags = (definitions: FlagDefinitions, origin: string) => Promise<FlagSet>;

/**
 * A compiler of definitions. It keeps the rules of the last ones, so that a change costs what it changes, and lets calls go
 * between two rules.
 *
 * The library is loaded with the first rule: it takes 15 MB and a second of processor time, which a sidecar whose
 * flags hang on nothing must not pay.
 */
export const flagCompiler = (): CompileFlags => {
  let rules: ReadonlyMap<string, FeatureFlag> = new Map();
  return async (definitions, origin) => {
    const { version, flags, evaluators, at } = definitions;
    const fixed = flags.filter(({ targeting }) => targeting === null);
    const made = new Map<string, FeatureFlag>();
    const asked: [string, FeatureFlag][] = [];
    for (const flag of flags) {
      if (flag.targeting === null) continue;
      const text = documentOf(flag, evaluators);
      const rule = rules.get(text) ?? (await ruleOf(flag.name, text, at));
      made.set(text, rule);
      asked.push([flag.name, rule]);
    }
    rules = made;
    return Object.freeze({
      version,
      origin,
      variants: frozenMap(
        flags.map(({ name, variants }): [string, readonly string[]] => [
          name,
          Object.freeze(Object.keys(variants)),
        ]),
      ),
      fixed: Object.freeze(
        fixed
          .filter(({ defaultVariant }) => defaultVariant !== null)
          .map(({ name, defaultVariant }): FlagAnswer => Object.freeze([name, defaultVariant!])),
      ),
      targeted: asked.length === 0 ? null : asker(asked),
    });
  };
};

/** One flag as a document of flagd's. */
const documentOf = (
  { name, variants, defaultVariant, targeting }: FlagDefinition,
  evaluators: Readonly<Record<string, unknown>>,
): string =>
  JSON.stringify({
    flags: { [name]: { state: 'ENABLED', variants, defaultVariant, targeting } },
    $evaluators: evaluators,
  });

/** What a rule is tried on before calls depend on it. */
const sample = { targetingKey: '0', caller: '', service: '', method: '' } as const;

const ruleOf = async (name: string, text: string, at: (flag: string) => string): Promise<FeatureFlag> => {
  const { FlagdCore } = await import('@openfeature/flagd-core');
  await nextTurn();
  // Interpreted: code is never generated from what stands in KV, and a rule is ready in a tenth of the time.
  const core = new FlagdCore(undefined, silent, { disableDynamicCodeGeneration: true });
  core.setConfigurations(text);
  const rule = core.getFlag(name)!;
  const tried = rule.evaluate(sample);
  if (tried.reason === 'ERROR')
    throw new Error(`${at(name)}: the targeting of flag '${name}' cannot be used: ${tried.errorMessage}`);
  return rule;
};

const asker =
  (rules: readonly (readonly [name: string, rule: FeatureFlag])[]): FlagSet['targeted'] =>
  (facts) => {
    const answers: FlagAnswer[] = [];
    const context = { ...facts };
    for (const [name, rule] of rules) {
      const { variant } = rule.evaluate(context);
      // Without one it has failed, or has no default: nobody decides it.
      if (variant !== undefined) answers.push([name, variant]);
    }
    return answers;
  };

const nothing = (): void => {};
/** What the library would write for each failure: what is wrong is told once, when definitions are read. */
const silent: Logger = { error: nothing, warn: nothing, info: nothing, debug: nothing };

import type { PolicyLayer, PolicyRule } from '../core/policy.ts';
import type { PolicyFile } from './policy-schema.ts';
import type { File } from './schema.ts';

/** What one document says, as rules: of the service, then of its methods. */
export const rulesOf = (
  { methods = {}, ...words }: PolicyFile,
  layer: PolicyLayer,
  service: string,
  origin: string,
): PolicyRule[] => [
  ...(Object.keys(words).length > 0 ? [{ layer, service, method: '', words, origin }] : []),
  ...Object.entries(methods).map(([method, own]) => ({
    layer,
    service,
    method,
    words: own,
    origin: `${origin} methods.${method}`,
  })),
];

/** What a settings file says of how calls are treated: `balance` and `flags` are of every service, `placement` of one each. */
export const rulesOfFile = ({ balance, flags, placement, policies }: File): PolicyRule[] => {
  const rules: PolicyRule[] = [];
  if (balance !== undefined) rules.push(ofAll({ balance }, 'file balance'));
  if (Object.keys(flags).length > 0) rules.push(ofAll({ flags }, 'file flags'));
  for (const [service, where] of Object.entries(placement))
    rules.push(ofOne(service, { placement: where }, `file placement.${service}`));
  for (const [service, policy] of Object.entries(policies))
    rules.push(...rulesOf(policy, 'file', service, `file policies.${service}`));
  return rules;
};

const ofAll = (words: PolicyRule['words'], origin: string): PolicyRule => ofOne('*', words, origin);

const ofOne = (service: string, words: PolicyRule['words'], origin: string): PolicyRule => ({
  layer: 'file',
  service,
  method: '',
  words,
  origin,
});

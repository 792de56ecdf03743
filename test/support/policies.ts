import {
  builtIn,
  type Policies,
  type PolicyLayer,
  type PolicyRule,
  type PolicyWords,
} from '../../sidecar/core/policy.ts';
import { policyMerger } from '../../sidecar/sources/policies.ts';

/** One rule; its origin is what it says it is about. */
export const rule = (
  layer: PolicyLayer,
  service: string,
  method: string,
  words: PolicyWords,
): PolicyRule => ({ layer, service, method, words, origin: `${layer} ${service}${method}` });

/** What these rules come to. */
export const ruled = (...rules: PolicyRule[]): Policies => policyMerger(builtIn)(rules, []);

/** Policies that say the same of every call. */
export const always = (words: PolicyWords): Policies => ruled(rule('file', '*', '', words));

import type { Call } from '../core/call.ts';
import type { HeaderRule } from '../core/permission.ts';
import { safeRegex } from './safe-regex.ts';
import { seenHeader } from './seen-header.ts';

/**
 * Whether a header rule holds for a call. `refusing`: the rule's permission denies.
 *
 * Where the app may read a header in more than one way, the reading counts that refuses: each of several values by
 * itself, and all of them joined, as Envoy reads them; each with and without the blanks around it; and a value that is
 * not of printable ASCII, or too long to be looked at, in any way at all.
 */
export type HeaderTest = (call: Call, refusing: boolean) => boolean;

/** gRPC's ASCII-Value; what is beyond may be read as anything. */
const printable = /^[\x20-\x7e]*$/;
/** Characters of a value that patterns look at: their time grows with it. */
const longestValue = 4096;

/** Makes the test of a rule, or says why it cannot be kept. */
export const headerTest = (rule: HeaderRule): HeaderTest | { readonly why: string } => {
  const { name, ask, invert } = rule;
  const values = seenHeader(name);
  if ('why' in values) return values;
  if (ask === 'present') return (call) => values(call).length > 0 !== invert;
  if (name.endsWith('-bin'))
    return {
      why: `the bytes of '${name}' can be spelled in several ways, so that only its presence can be asked`,
    };
  const test = textTest(rule);
  if ('why' in test) return test;
  return (call, refusing) => {
    const found = values(call);
    // Envoy lets no rule about a value hold where there is none; turned round, it can be read the other way.
    if (found.length === 0) return invert && refusing;
    const reads = (value: string): boolean =>
      value.length > longestValue || !printable.test(value) ? refusing : test(value) !== invert;
    const readings = readingsOf(found);
    return refusing ? readings.some(reads) : readings.every(reads);
  };
};

const readingsOf = (values: readonly string[]): readonly string[] => {
  const [only] = values;
  if (values.length === 1 && only === only!.trim()) return values;
  return [...values, ...values.map((value) => value.trim()), values.join(',')];
};

const textTest = ({
  ask,
  text,
  ignoreCase,
}: HeaderRule): ((value: string) => boolean) | { readonly why: string } => {
  if (ask === 'regex') {
    if (ignoreCase) return { why: 'a pattern says itself whether case counts: write (?i) there' };
    const regex = safeRegex(text);
    return 'why' in regex
      ? { why: `the pattern '${text.slice(0, 100)}': ${regex.why}` }
      : (value) => regex.matches(value);
  }
  const fold = (value: string): string => (ignoreCase ? value.toLowerCase() : value);
  const wanted = fold(text);
  switch (ask) {
    case 'prefix':
      return (value) => fold(value).startsWith(wanted);
    case 'suffix':
      return (value) => fold(value).endsWith(wanted);
    case 'contains':
      return (value) => fold(value).includes(wanted);
    default:
      return (value) => fold(value) === wanted;
  }
};

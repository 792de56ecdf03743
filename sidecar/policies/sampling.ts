import type { Samples } from '../core/trace.ts';
import type { Environment } from '../core/tracing-variables.ts';

/** A sampler, and what of the words that chose it does not hold. */
export interface Sampling {
  readonly samples: Samples;
  readonly problem: string | null;
}

type Decision = (traceparent: string) => boolean;

const on: Decision = () => true;
const off: Decision = () => false;

/** The sampled flag: the lowest bit of the last digit of a valid traceparent. Of the letters, b, d and f have it. */
const parent: Decision = (traceparent) => {
  const digit = traceparent.charCodeAt(54);
  return ((digit >= letterA ? digit - 1 : digit) & 1) === 1;
};
const letterA = 0x61;

/**
 * A share of the traces by their id: the same trace is taken by everybody who takes as large a share. As OpenTelemetry's
 * own sampler for JavaScript reckons it, so that apps and sidecars agree.
 */
const shareOf = (ratio: number): Decision => {
  const bound = ratio === 1 ? 2 ** 32 : Math.floor(ratio * 0xffffffff);
  return (traceparent) => {
    let folded = 0;
    for (let word = 3; word < 35; word += 8) {
      let part = 0;
      for (let at = word; at < word + 8; at++) {
        const digit = traceparent.charCodeAt(at);
        part = (part << 4) | (digit < letterA ? digit - 0x30 : digit - letterA + 10);
      }
      folded ^= part;
    }
    return folded >>> 0 < bound;
  };
};

const names = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;
type Name = (typeof names)[number];

/**
 * The sampler that OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG name; what cannot be read has the standard's default:
 * `parentbased_always_on`, and a ratio of 1.
 */
export const samplingOf = (environment: Environment): Sampling => {
  const name = environment['OTEL_TRACES_SAMPLER']?.trim().toLowerCase() || 'parentbased_always_on';
  if (!isName(name))
    return {
      samples: between(on, parent),
      problem: `OTEL_TRACES_SAMPLER: '${name}' is no sampler that is known here; every trace is sampled. Use one of ${names.join(', ')}`,
    };
  const { ratio, problem } = name.endsWith('traceidratio') ? ratioOf(environment) : always;
  const root = name.endsWith('on') ? on : name.endsWith('off') ? off : shareOf(ratio);
  const samples = name.startsWith('parentbased') ? between(root, parent) : between(root, root);
  return { samples, problem };
};

const isName = (text: string): text is Name => (names as readonly string[]).includes(text);

const between =
  (root: Decision, child: Decision): Samples =>
  (traceparent, isRoot) =>
    isRoot ? root(traceparent) : child(traceparent);

const always = { ratio: 1, problem: null } as const;

const ratioOf = (environment: Environment): { readonly ratio: number; readonly problem: string | null } => {
  const said = environment['OTEL_TRACES_SAMPLER_ARG']?.trim() ?? '';
  const ratio = said === '' ? Number.NaN : Number(said);
  if (ratio >= 0 && ratio <= 1) return { ratio, problem: null };
  const problem = `OTEL_TRACES_SAMPLER_ARG: '${said}' is no share of 0 to 1, such as 0.01; every trace is sampled`;
  return { ratio: 1, problem };
};

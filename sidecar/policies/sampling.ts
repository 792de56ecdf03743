import { hexDigitAt } from '../core/hex-digit.ts';
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

/** The sampled flag: the lowest bit of the last digit of a valid traceparent. */
const parent: Decision = (traceparent) => (hexDigitAt(traceparent, 54) & 1) === 1;

/**
 * A share of the traces by their id: the same trace is taken by everybody who takes as large a share. As OpenTelemetry's
 * own sampler for JavaScript reckons it, so that apps and sidecars agree: the four words of the id are folded into one,
 * which must be less than the bound. From the highest digit on, for of small shares the first says no nearly always.
 */
const shareOf = (ratio: number): Decision => {
  if (ratio === 1) return on;
  const bound = Math.floor(ratio * 0xffffffff);
  const limits = Uint8Array.from({ length: 8 }, (_, at) => (bound >>> (28 - 4 * at)) & 15);
  return (traceparent) => {
    for (let at = 0; at < 8; at++) {
      const folded =
        hexDigitAt(traceparent, at + 3) ^
        hexDigitAt(traceparent, at + 11) ^
        hexDigitAt(traceparent, at + 19) ^
        hexDigitAt(traceparent, at + 27);
      if (folded !== limits[at]!) return folded < limits[at]!;
    }
    return false;
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

import { ROOT_CONTEXT } from '@opentelemetry/api';
import { tracing } from '@opentelemetry/sdk-node';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { samplingOf } from '../../../sidecar/policies/sampling.ts';

const id = '0af7651916cd43dd8448eb211c80319c';
const parent = (flags: string): string => `00-${id}-b7ad6b7169203331-${flags}`;

/** What a sampler says of a root, of a parent that is sampled, and of one that is not. */
const says = (sampler?: string, arg?: string): string => {
  const { samples } = samplingOf({ OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: arg });
  return [samples(parent('00'), true), samples(parent('01'), false), samples(parent('00'), false)]
    .map((yes) => (yes ? 'yes' : 'no'))
    .join(' ');
};

describe('a sampler', () => {
  it.each<[string | undefined, string | undefined, string]>([
    [undefined, undefined, 'yes yes no'],
    ['', undefined, 'yes yes no'],
    ['parentbased_always_on', undefined, 'yes yes no'],
    ['parentbased_always_off', undefined, 'no yes no'],
    ['parentbased_traceidratio', '0', 'no yes no'],
    ['parentbased_traceidratio', '1', 'yes yes no'],
    ['always_on', undefined, 'yes yes yes'],
    ['always_off', undefined, 'no no no'],
    ['traceidratio', '0', 'no no no'],
    ['traceidratio', ' 1 ', 'yes yes yes'],
    ['TraceIdRatio', '1', 'yes yes yes'],
  ])('%s %s says of root, sampled and unsampled parent: %s', (sampler, arg, expected) => {
    expect(says(sampler, arg)).toBe(expected);
  });

  it('reads the flag whatever else the digits say', () => {
    const { samples } = samplingOf({});
    const sampled = [...'0123456789abcdef'].filter((digit) => samples(parent(`0${digit}`), false));
    expect(sampled.join('')).toBe('13579bdf');
  });

  it('takes the traces that OpenTelemetry takes: by the id alone', () => {
    // 0af76519 ^ 16cd43dd ^ 8448eb21 ^ 1c80319c = 84f2fc79, which is 0.5193 of all.
    const at = (ratio: string): boolean =>
      samplingOf({ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: ratio }).samples(
        parent('00'),
        true,
      );
    expect([at('0.5193'), at('0.5194')]).toEqual([false, true]);
  });

  it('takes no trace that OpenTelemetry’s own does not take, and all that it takes', () => {
    const digits = fc.array(fc.constantFrom(...'0123456789abcdef'), { minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(
        digits,
        fc.oneof(fc.constantFrom(0, 0.01, 1 / 16, 0.5, 1), fc.double({ min: 0, max: 1, noNaN: true })),
        (chosen, ratio) => {
          const traceId = chosen.join('');
          fc.pre(!/^0+$/.test(traceId));
          const { samples } = samplingOf({
            OTEL_TRACES_SAMPLER: 'traceidratio',
            OTEL_TRACES_SAMPLER_ARG: `${ratio}`,
          });
          const theirs = new tracing.TraceIdRatioBasedSampler(ratio);
          const { decision } = theirs.shouldSample(ROOT_CONTEXT, traceId);
          expect(samples(`00-${traceId}-b7ad6b7169203331-00`, true)).toBe(
            decision === tracing.SamplingDecision.RECORD_AND_SAMPLED,
          );
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('that is unknown samples all roots, and says what would be known', () => {
    const { problem } = samplingOf({ OTEL_TRACES_SAMPLER: 'jaeger_remote' });
    expect(problem).toContain("OTEL_TRACES_SAMPLER: 'jaeger_remote' is no sampler");
    expect(problem).toContain('parentbased_traceidratio');
    expect(says('jaeger_remote')).toBe('yes yes no');
  });

  it.each(['', 'x', '-0.1', '1.1', 'NaN'])('with a ratio of %j samples all, and says so', (arg) => {
    const { problem } = samplingOf({
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: arg,
    });
    expect(problem).toContain(`OTEL_TRACES_SAMPLER_ARG: '${arg}' is no share of 0 to 1`);
    expect(says('parentbased_traceidratio', arg)).toBe('yes yes no');
  });
});

import { describe, expect, it } from 'vitest';
import { partsOf, traceparentOf } from '../../../sidecar/core/span-words.ts';
import { namesService, tracingAskedBy } from '../../../sidecar/core/tracing-variables.ts';

describe('traces are asked for', () => {
  it.each<[string | null, Record<string, string>]>([
    [null, {}],
    [null, { OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4317' }],
    ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c:4317' }],
    ['OTEL_TRACES_EXPORTER', { OTEL_TRACES_EXPORTER: 'console' }],
    [null, { OTEL_TRACES_EXPORTER: 'none' }],
    [null, { OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4317' }],
    [null, { OTEL_SDK_DISABLED: 'TRUE', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4317' }],
    ['OTEL_TRACES_EXPORTER', { OTEL_SDK_DISABLED: 'false', OTEL_TRACES_EXPORTER: 'otlp' }],
    [null, { OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://c:4317', OTEL_SERVICE_NAME: 'shop' }],
  ])('by %s in %o', (variable, environment) => {
    expect(tracingAskedBy(environment)).toBe(variable);
  });

  it('in the name of a service that the variables may say', () => {
    expect(namesService({})).toBe(false);
    expect(namesService({ OTEL_RESOURCE_ATTRIBUTES: 'my.service.name=no' })).toBe(false);
    expect(namesService({ OTEL_SERVICE_NAME: 'shop' })).toBe(true);
    expect(namesService({ OTEL_RESOURCE_ATTRIBUTES: 'deployment=a, service.name=shop' })).toBe(true);
  });
});

describe('a traceparent', () => {
  const [traceId, spanId] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];

  it('is what its parts say', () => {
    const parts = { traceId, spanId, traceFlags: 1 };
    expect(traceparentOf(parts)).toBe(`00-${traceId}-${spanId}-01`);
    expect(partsOf(traceparentOf(parts))).toEqual(parts);
    expect(partsOf(`cc-${traceId}-${spanId}-fe-later`)).toEqual({ ...parts, traceFlags: 0 });
  });

  it.each([
    '',
    'x',
    `ff-${traceId}-${spanId}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
  ])('of %j says nothing', (text) => {
    expect(partsOf(text)).toBe(null);
  });
});

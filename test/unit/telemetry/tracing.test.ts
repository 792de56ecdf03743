import type { DiagLogger } from '@opentelemetry/api';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { watchDiagnostics } from '../../../sidecar/telemetry/diagnostics.ts';
import { flagAttributes } from '../../../sidecar/telemetry/flag-attributes.ts';
import { openTracer } from '../../../sidecar/telemetry/tracing.ts';
import { type StillKit, stillKit } from '../../support/kit.ts';

/** A kit that keeps its warnings. */
const noting = (): StillKit & { readonly warnings: unknown[] } => {
  const warnings: unknown[] = [];
  const kit = stillKit();
  return {
    ...kit,
    warnings,
    log: { ...kit.log, warn: (fields, event) => warnings.push({ ...fields, event }) },
  };
};

describe('what OpenTelemetry complains of', () => {
  it('is counted each time, and told once a minute', () => {
    const kit = noting();
    let logger: DiagLogger | null = null;
    const diag = { setLogger: (given: DiagLogger) => (logger = given) !== null, disable: () => {} };
    watchDiagnostics(kit, diag as never, {});
    for (let times = 0; times < 3; times++) logger!.error('{"message":"connect ECONNREFUSED"}');
    kit.clock.set(kit.clock.now() + 60_000);
    logger!.warn('Dropped 7 spans because maxQueueSize reached');
    logger!.info('nothing');
    expect(kit.warnings).toEqual([
      { said: '{"message":"connect ECONNREFUSED"}', problems: 1, event: 'OpenTelemetry complains' },
      { said: 'Dropped 7 spans because maxQueueSize reached', problems: 4, event: 'OpenTelemetry complains' },
    ]);
    expect(kit.meter.count('outrigger_trace_problems_total').value).toBe(4);
  });

  it('is heard by whoever asked to hear it by OTEL_LOG_LEVEL', () => {
    let isSet = false;
    const diag = { setLogger: () => (isSet = true), disable: () => {} };
    watchDiagnostics(stillKit(), diag as never, { OTEL_LOG_LEVEL: 'debug' });
    expect(isSet).toBe(false);
  });
});

describe('flags of a span', () => {
  it('are those of the baggage, the first of each', () => {
    expect(flagAttributes('tenant=7, ff.express=on;x=1,ff.express=off,ff.a%20b=%zz')).toEqual({
      'outrigger.flag.express': 'on',
      'outrigger.flag.a b': '%zz',
    });
    expect(flagAttributes('')).toEqual({});
  });

  it('are 32 at most: callers write the baggage', () => {
    const baggage = Array.from({ length: 64 }, (_, at) => `ff.${at}=on`).join(',');
    expect(Object.keys(flagAttributes(baggage))).toHaveLength(32);
  });
});

describe('a variable that makes no sense', () => {
  afterEach(() => vi.unstubAllEnvs());

  it('such as an exporter that nobody knows is named with what would be known, and nothing is traced', () => {
    vi.stubEnv('OTEL_TRACES_EXPORTER', 'carrier-pigeon');
    const kit = noting();
    expect(openTracer(kit, 'orders', process.env)).toBe(null);
    expect(kit.warnings.at(-1)).toEqual({
      variable: 'OTEL_TRACES_EXPORTER',
      remedy: 'OTEL_TRACES_EXPORTER must be otlp, console, zipkin or none',
      event: 'no traces: no exporter could be made',
    });
  });

  it.each(['http/protobuf', 'grpc'])(
    'such as an endpoint that is none, by %s, is told and ends no sidecar',
    async (protocol) => {
      vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', 'not an address');
      vi.stubEnv('OTEL_EXPORTER_OTLP_PROTOCOL', protocol);
      const kit = noting();
      await openTracer(kit, 'orders', process.env)?.close();
      expect(JSON.stringify(kit.warnings)).toContain('not an address');
    },
  );
});

import { createHistogram } from 'node:perf_hooks';
import { describe, expect, it } from 'vitest';
import { type Family, Meter } from '../../../sidecar/core/meter.ts';
import { metrics } from '../../../sidecar/telemetry/metrics.ts';
import { watchProcess } from '../../../sidecar/telemetry/process.ts';
import { writeMetrics } from '../../../sidecar/telemetry/prometheus.ts';

const meter = (): Meter =>
  new Meter([
    { name: 'calls_total', kind: 'counter', help: 'Calls\nthat "ended" \\o/', labels: ['service', 'code'] },
    { name: 'up', kind: 'gauge', help: 'Up', labels: [] },
    { name: 'took_seconds', kind: 'histogram', help: 'Time', labels: ['method'] },
  ]);

describe('the metrics text', () => {
  it('names every metric before it has a number', () => {
    expect(writeMetrics(meter().read())).toBe(
      '# HELP calls_total Calls\\nthat "ended" \\\\o/\n# TYPE calls_total counter\n' +
        '# HELP up Up\n# TYPE up gauge\n# HELP took_seconds Time\n# TYPE took_seconds histogram\n',
    );
  });

  it('keeps a hostile label value inside its quotes', () => {
    const numbers = meter();
    numbers.count('calls_total', 'a"} 1\nfake 2\\', '0').value = 3;
    expect(writeMetrics(numbers.read())).toContain(
      '\ncalls_total{service="a\\"} 1\\nfake 2\\\\",code="0"} 3\n',
    );
  });

  it('writes numbers that are not finite as Prometheus spells them', () => {
    const numbers = meter();
    const written = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0.25].map((value) => {
      numbers.count('up').value = value;
      return /^up (.*)$/m.exec(writeMetrics(numbers.read()))?.[1];
    });
    expect(written).toEqual(['NaN', '+Inf', '-Inf', '0.25']);
  });

  it('adds the buckets of a histogram up, and ends with the count in +Inf', () => {
    const numbers = meter();
    const histogram = numbers.histogram('took_seconds', 'Get');
    for (const seconds of [0.0004, 0.0005, 0.003, 60]) histogram.observe(seconds);
    const lines = writeMetrics(numbers.read()).split('\n');
    expect(lines).toContain('took_seconds_bucket{method="Get",le="0.0005"} 2');
    expect(lines).toContain('took_seconds_bucket{method="Get",le="0.0025"} 2');
    expect(lines).toContain('took_seconds_bucket{method="Get",le="0.005"} 3');
    expect(lines).toContain('took_seconds_bucket{method="Get",le="10"} 3');
    expect(lines).toContain('took_seconds_bucket{method="Get",le="+Inf"} 4');
    expect(lines).toContain('took_seconds_count{method="Get"} 4');
    expect(lines.find((line) => line.startsWith('took_seconds_sum'))).toMatch(
      /^took_seconds_sum\{method="Get"\} 60\.0039/,
    );
  });
});

describe('the numbers of the process', () => {
  const value = (families: readonly Family[], name: string, key = ''): number =>
    (families.find((family) => family.definition.name === name)!.cells.get(key) as { value: number }).value;

  it('show a stall of the loop once, and not again at the next reading', () => {
    const numbers = new Meter(metrics);
    let watching = false;
    const histogram = createHistogram();
    const delays = Object.assign(histogram, {
      enable: () => (watching = true),
      disable: () => (watching = false),
    });
    const stop = watchProcess(numbers, delays);
    expect(watching).toBe(true);
    for (const delayMs of [20.1, 20.2, 220]) histogram.record(delayMs * 1e6);
    expect(value(numbers.read(), 'outrigger_loop_delay_seconds', '1')).toBeCloseTo(0.2, 3);
    expect(value(numbers.read(), 'outrigger_loop_delay_seconds', '1')).toBe(0);
    stop();
    expect(watching).toBe(false);
  });

  it('say what memory and processor time it has used', () => {
    const numbers = new Meter(metrics);
    const stop = watchProcess(numbers);
    const families = numbers.read();
    expect(value(families, 'process_resident_memory_bytes')).toBeGreaterThan(1e7);
    expect(value(families, 'process_cpu_seconds_total')).toBeGreaterThan(0.01);
    stop();
  });
});

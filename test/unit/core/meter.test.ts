import { describe, expect, it } from 'vitest';
import { Cell } from '../../../sidecar/core/cell.ts';
import { type Count, Meter } from '../../../sidecar/core/meter.ts';

const definitions = [
  { name: 'calls', kind: 'counter', help: '', labels: ['method'] },
  { name: 'seconds', kind: 'histogram', help: '', labels: [] },
] as const;

describe('a meter', () => {
  it('gives the same cell for the same labels', () => {
    const meter = new Meter(definitions);
    meter.count('calls', 'a').value++;
    meter.count('calls', 'a').value++;
    meter.count('calls', 'b').value++;
    expect([meter.count('calls', 'a').value, meter.count('calls', 'b').value]).toEqual([2, 1]);
  });

  it('keeps its memory within bounds, whatever callers name, and loses no count', () => {
    const meter = new Meter(definitions);
    for (let at = 0; at < 5000; at++) meter.count('calls', `m${at}`).value++;
    const { cells } = meter.read()[0]!;
    expect(cells.size).toBeLessThanOrEqual(2001);
    expect([...cells.values()].reduce((sum, cell) => sum + (cell as Count).value, 0)).toBe(5000);
  });

  it('throws at start for a name or a label that is not in the list', () => {
    const meter = new Meter(definitions);
    expect(() => meter.count('cals', 'a')).toThrow("no metric 'cals' in telemetry/metrics.ts");
    expect(() => meter.count('calls')).toThrow("metric 'calls' has the labels method");
  });

  it('puts durations into the bucket that holds them', () => {
    const seconds = new Meter(definitions).histogram('seconds');
    for (const value of [0, 0.0005, 0.00051, 10, 11]) seconds.observe(value);
    expect([seconds.counts[0], seconds.counts[1], seconds.counts[13], seconds.counts[14]]).toEqual([
      2, 1, 1, 1,
    ]);
    expect(seconds.sum).toBeCloseTo(21.00101, 9);
  });

  it('asks its collectors before it is read, until they are taken off', () => {
    const meter = new Meter(definitions);
    let asked = 0;
    const off = meter.collect(() => asked++);
    meter.read();
    off();
    meter.read();
    expect(asked).toBe(1);
  });
});

describe('a cell', () => {
  it('has its new value before listeners hear it, and lets them leave as they hear', () => {
    const cell = new Cell(1);
    const heard: string[] = [];
    const off = cell.listen((value) => {
      heard.push(`a${value}${cell.value}`);
      off();
    });
    cell.listen((value) => heard.push(`b${value}`));
    cell.set(2);
    cell.set(3);
    expect(heard).toEqual(['a22', 'b2', 'b3']);
  });
});

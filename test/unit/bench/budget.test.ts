import { describe, expect, it } from 'vitest';
import { judge, type Promised, readBudget } from '../../../bench/budget.ts';
import { cases } from '../../../bench/cases.ts';
import { newRow, type Row, spread } from '../../../bench/results.ts';

const promised: Promised = { case: 'a', column: 'x', figure: 'cpu', against: 'envoy', limit: 0.5 };

const row = (chain: 'outrigger' | 'envoy', column: string, ...cpu: number[]): Row => ({
  ...newRow('a', column, chain),
  rounds: cpu.map((value) => ({ cpu: value })),
});

describe('the budget of the bench', () => {
  it('is kept by the median of the ratios within rounds', () => {
    const [verdict] = judge([promised], [row('outrigger', 'x', 4, 9, 20), row('envoy', 'x', 10, 20, 30)]);
    expect(verdict?.ratio).toEqual({ median: 0.45, min: 0.4, max: 20 / 30 });
    expect(verdict?.word).toBe('kept');
  });

  it('is broken above its limit', () => {
    const [verdict] = judge([promised], [row('outrigger', 'x', 6), row('envoy', 'x', 10)]);
    expect(verdict?.word).toBe('BROKEN');
  });

  it('is broken when our own row failed, whatever it showed before', () => {
    const own = { ...row('outrigger', 'x', 1), failure: 'a call failed' };
    const [verdict] = judge([promised], [own, row('envoy', 'x', 10)]);
    expect(verdict?.word).toBe('BROKEN');
  });

  it('is skipped when the other did not run, and silent about cases that did not', () => {
    expect(judge([promised], [row('outrigger', 'x', 1)])[0]?.word).toBe('skipped');
    expect(judge([{ ...promised, case: 'b' }], [row('outrigger', 'x', 1)])).toEqual([]);
  });

  it('compares the sidecar with itself under other load', () => {
    const itself: Promised = { ...promised, against: { column: 'y' }, limit: 2 };
    const [verdict] = judge([itself], [row('outrigger', 'x', 30), row('outrigger', 'y', 10)]);
    expect(verdict?.ratio?.median).toBe(3);
    expect(verdict?.word).toBe('BROKEN');
  });

  it('asks for a lower limit when the worst of five rounds is clearly below it', () => {
    const [own, other] = [row('outrigger', 'x', 2, 2, 3, 2, 2), row('envoy', 'x', 10, 10, 10, 10, 10)];
    expect(judge([promised], [own, other])[0]?.tighten).toBe(0.33);
    expect(judge([{ ...promised, limit: 0.38 }], [own, other])[0]?.tighten).toBeNull();
  });

  it('promises something for every case and names columns that exist', () => {
    const memory = ['idle', 'after load', 'idle connections'];
    const budget = readBudget(new URL('../../../bench/budget.json', import.meta.url));
    for (const it of cases) {
      const own = budget.filter((one) => one.case === it.id);
      expect(own.length).toBeGreaterThan(0);
      const names = it.kind === 'memory' ? memory : it.columns.map(({ name }) => name);
      for (const { column } of own) expect(names).toContain(column);
    }
  });
});

describe('a spread', () => {
  it('is the median with the smallest and the largest', () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
    expect(spread([4, 1])).toEqual({ median: 2.5, min: 1, max: 4 });
    expect(spread([])).toBeNull();
  });
});

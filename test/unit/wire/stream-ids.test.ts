import { describe, expect, it } from 'vitest';
import { StreamIds } from '../../../wire/stream-ids.ts';

describe('streams that were reset', () => {
  const reset = (count: number): StreamIds => {
    const ids = new StreamIds('client');
    for (let i = 0; i < count; i++) ids.rememberReset(2 * i + 1, 100);
    return ids;
  };

  it('are remembered, and are told from those that ended by themselves', () => {
    const ids = new StreamIds('client');
    ids.rememberReset(5, 100);
    expect([3, 5, 7].map((id) => ids.wasReset(id))).toEqual([false, true, false]);
  });

  it('are given the benefit of the doubt where there were more than are remembered', () => {
    const ids = reset(1000);
    expect([1, 3, 999, 1999].map((id) => ids.wasReset(id))).toEqual([true, true, true, true]);
    expect(ids.wasReset(2001)).toBe(false);
  });
});

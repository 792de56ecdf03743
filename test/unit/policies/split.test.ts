import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Leg } from '../../../sidecar/core/routes.ts';
import { legOf, portionOf } from '../../../sidecar/policies/split.ts';

const legs = (...weights: number[]): Leg[] =>
  weights.map((weight, at) => ({ weight, targets: [`leg ${at}`] }));
const ids = (count: number): string[] =>
  Array.from({ length: count }, (_, at) => `${at.toString(16).padStart(8, '0')}-call`);
const counts = (of: readonly Leg[], some: readonly string[], service = 'web'): number[] => {
  const found = of.map(() => 0);
  for (const id of some) found[of.indexOf(legOf(of, service, id)!)]!++;
  return found;
};

describe('a split', () => {
  it('takes the same leg for the same id, whoever asks', () => {
    const of = legs(50, 50);
    // Literal, so that a changed hash, which would break up call trees during an upgrade, is noticed.
    expect(ids(16).map((id) => of.indexOf(legOf(of, 'web', id)!))).toMatchInlineSnapshot(`
      [
        0,
        0,
        0,
        0,
        0,
        1,
        0,
        1,
        1,
        1,
        1,
        0,
        1,
        0,
        0,
        0,
      ]
    `);
    expect(portionOf('web', '4f2a9c')).toMatchInlineSnapshot(`0.8199084673542529`);
  });

  it.each([[[50, 50]], [[90, 10]], [[99, 1]], [[33.33, 33.33, 33.34]], [[1, 2, 3, 4]]])(
    'of %j is kept within a hundredth by ids that are counted up',
    (weights) => {
      const whole = weights.reduce((sum, weight) => sum + weight, 0);
      const found = counts(legs(...weights), ids(20_000));
      for (const [at, count] of found.entries())
        expect(Math.abs(count / 20_000 - weights[at]! / whole)).toBeLessThan(0.01);
    },
  );

  it('moves only the calls at the edge when a weight moves', () => {
    const before = legs(90, 10);
    const after = legs(80, 20);
    for (const id of ids(5000)) {
      const [from, to] = [before.indexOf(legOf(before, 'web', id)!), after.indexOf(legOf(after, 'web', id)!)];
      expect(to).toBeGreaterThanOrEqual(from);
    }
  });

  it('falls otherwise for another service', () => {
    const of = legs(50, 50);
    const same = ids(10_000).filter((id) => legOf(of, 'web', id) === legOf(of, 'shop', id)).length;
    expect(Math.abs(same / 10_000 - 0.5)).toBeLessThan(0.02);
  });

  it('always ends at a leg, whatever id and weights', () => {
    const weight = fc.double({ min: 0.01, max: 100, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(weight, { minLength: 1, maxLength: 8 }),
        fc.string(),
        fc.string(),
        (all, service, id) => {
          const of = legs(...all);
          const portion = portionOf(service, id);
          return of.includes(legOf(of, service, id)!) && portion >= 0 && portion < 1;
        },
      ),
    );
  });

  it('of nothing is nothing', () => {
    expect(legOf([], 'web', 'a')).toBeUndefined();
  });
});

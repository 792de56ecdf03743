import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Stream } from '../../wire/index.ts';
import { StreamTable } from '../../wire/stream-table.ts';

const stream = (id: number): Stream => ({ id }) as Stream;

test('a table of streams answers as a map would, whatever comes and goes', () => {
  const steps = fc.array(fc.record({ id: fc.integer({ min: 0, max: 200 }), stays: fc.boolean() }), {
    maxLength: 400,
  });
  fc.assert(
    fc.property(steps, (all) => {
      const table = new StreamTable();
      const model = new Map<number, Stream>();
      for (const { id, stays } of all) {
        const odd = id * 2 + 1;
        if (stays && !model.has(odd)) {
          const one = stream(odd);
          table.add(one);
          model.set(odd, one);
        } else {
          table.delete(odd);
          model.delete(odd);
        }
        expect(table.get(odd)).toBe(model.get(odd));
        expect(table.size).toBe(model.size);
      }
      for (let id = 1; id <= 401; id += 2) expect(table.get(id)).toBe(model.get(id));
      expect(table.list().sort((a, b) => a.id - b.id)).toEqual(
        [...model.values()].sort((a, b) => a.id - b.id),
      );
    }),
    { numRuns: 300 },
  );
});

test('ids that share a slot are told apart, also when one of them leaves', () => {
  const table = new StreamTable();
  for (const id of [1, 33, 65, 97]) table.add(stream(id)); // all at home in the same of 16 slots
  table.delete(33);
  expect([1, 33, 65, 97].map((id) => table.get(id)?.id)).toEqual([1, undefined, 65, 97]);
});

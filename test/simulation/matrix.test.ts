import { describe, expect, it } from 'vitest';
import { awaited } from './awaited.ts';
import { type Cell, cells, nameOf, tryCell } from './matrix.ts';

/** All thousand are run by `npm run lab`. */
const seeds = [1, 2, 3, 4, 5];

const kept = async (cell: Cell): Promise<boolean> => {
  const found = await Promise.all(seeds.map((seed) => tryCell(cell, seed)));
  return found.every((each) => each.kept);
};

describe('partial failure stays partial', () => {
  const known = cells.filter((cell) => !awaited.has(nameOf(cell)));
  const waiting = cells.filter((cell) => awaited.has(nameOf(cell)));

  it.each(known.map((cell) => ({ name: nameOf(cell), cell })))('$name', async ({ cell }) => {
    for (const seed of seeds) expect(await tryCell(cell, seed)).toMatchObject({ kept: true });
  });

  it.each(waiting.map((cell) => ({ name: nameOf(cell), why: awaited.get(nameOf(cell)), cell })))(
    '$name is not kept yet: it $why',
    async ({ name, cell }) => {
      expect(await kept(cell), `${name} is kept now: take it out of awaited.ts`).toBe(false);
    },
  );

  it('has no name in the list of what is awaited that is no cell', () => {
    expect([...awaited.keys()].filter((name) => !cells.some((cell) => nameOf(cell) === name))).toEqual([]);
  });

  it('is lost without ejection and retries (control)', async () => {
    const bare = { eject: { mode: 'off' }, retry: { attempts: 1 }, balance: 'two-choices' } as const;
    for (const cell of cells.filter(({ fault }) => fault === 'unavailable'))
      expect(await tryCell(cell, 1, bare)).toMatchObject({ kept: false });
  });
});

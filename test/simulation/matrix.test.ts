import { describe, expect, it } from 'vitest';
import { cells, nameOf, tryCell } from './matrix.ts';

/** All thousand are run by `npm run lab`. */
const seeds = [1, 2, 3, 4, 5];

describe('partial failure stays partial', () => {
  it.each(cells.map((cell) => ({ name: nameOf(cell), cell })))('$name', async ({ cell }) => {
    for (const seed of seeds) expect(await tryCell(cell, seed)).toMatchObject({ kept: true });
  });

  it('is lost without ejection and retries (control)', async () => {
    const bare = { eject: { mode: 'off' }, retry: { attempts: 1 }, balance: 'two-choices' } as const;
    for (const cell of cells.filter(({ fault }) => fault === 'unavailable' || fault === 'reset'))
      expect(await tryCell(cell, 1, bare)).toMatchObject({ kept: false });
  });
});

import { expect, test } from 'vitest';
import { Pool } from '../../../wire/pool.ts';

test('what was not written comes back to the next borrower', () => {
  const pool = new Pool(65_536, 8192, 2);
  const first = pool.borrow(100);
  expect(first.length).toBe(65_536);
  pool.giveBack(first.subarray(100));
  const second = pool.borrow(100);
  expect(second.buffer).toBe(first.buffer);
  expect(second.byteOffset).toBe(100);
});

test('too small a rest is not kept, and a request larger than a buffer has one of its own', () => {
  const pool = new Pool(65_536, 8192, 2);
  const first = pool.borrow(100);
  pool.giveBack(first.subarray(first.length - 8191));
  expect(pool.borrow(1).buffer).not.toBe(first.buffer);
  expect(pool.borrow(100_000).length).toBe(100_000);
});

test('no more than so many are kept', () => {
  const pool = new Pool(1024, 1024, 2);
  const lent = [pool.borrow(1), pool.borrow(1), pool.borrow(1)];
  for (const buffer of lent) pool.giveBack(buffer);
  expect([pool.borrow(1), pool.borrow(1), pool.borrow(1)].filter((each) => lent.includes(each))).toHaveLength(
    2,
  );
});

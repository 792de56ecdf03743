import { expect, test } from 'vitest';
import { flagsOf } from '../../../sdk/flags.ts';

test('flags are read from baggage, decoded, the first of a name wins', () => {
  const flags = flagsOf(
    'tenant=acme, ff.express=on;p=1 ,ff.price%20list=b%2Fc,ff.express=off,ff.bad=%E0%A4,broken',
  );
  expect([...flags]).toEqual([
    ['express', 'on'],
    ['price list', 'b/c'],
  ]);
});

test('baggage without flags has none', () => {
  expect(flagsOf('').size).toBe(0);
  expect(flagsOf('tenant=acme').size).toBe(0);
});

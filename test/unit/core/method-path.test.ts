import { describe, expect, it } from 'vitest';
import { isMethodPath } from '../../../sidecar/core/method-path.ts';

describe('the path of a gRPC method', () => {
  it.each(['/t.S/Echo', '/S/E', '/a_1.B_2.C/d_3', `/${'s'.repeat(256)}/${'m'.repeat(128)}`])(
    'is %j',
    (path) => expect(isMethodPath(path)).toBe(true),
  );

  it.each([
    '',
    '/',
    't.S/Echo',
    '//t.S/Echo',
    '/t.S/Echo/',
    '/t.S//Echo',
    '/t.S/Echo\n',
    '/../Echo',
    '/./Echo',
    '/t..S/Echo',
    '/.t.S/Echo',
    '/t.S./Echo',
    '/t.S/Echo.',
    `/${'s'.repeat(257)}/Echo`,
    `/t.S/${'m'.repeat(129)}`,
  ])('is not %j', (path) => expect(isMethodPath(path)).toBe(false));

  it('is told from 8 KiB of anything at once', () => {
    const begin = performance.now();
    for (const path of [`/${'a.'.repeat(4096)}`, `/${'a'.repeat(8192)}/`, '/'.repeat(8192)])
      expect(isMethodPath(path)).toBe(false);
    expect(performance.now() - begin).toBeLessThan(50);
  });
});

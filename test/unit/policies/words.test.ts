import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cleanId } from '../../../sidecar/core/clean-id.ts';
import { editsBetween, nearNames } from '../../../sidecar/core/near-names.ts';
import { randomHex } from '../../../sidecar/core/random-hex.ts';
import { bounded, carries, joined } from '../../../sidecar/policies/baggage.ts';
import { decisive } from '../../../sidecar/policies/precedence.ts';
import { nameInAuthority, plainName } from '../../../sidecar/policies/service-name.ts';
import { validTraceparent } from '../../../sidecar/policies/traceparent.ts';

describe('a clean id', () => {
  it.each(['a', 'A-z_0.9:b', '0'.repeat(128)])('%j is one', (id) => expect(cleanId(id)).toBe(true));
  it.each(['', ' ', 'a b', 'a\n', '\na', 'ä', '0'.repeat(129), 'a/b', 'a"b'])('%j is none', (id) =>
    expect(cleanId(id)).toBe(false),
  );
});

describe('a traceparent', () => {
  const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
  const parent = '00f067aa0ba902b7';

  it.each([
    `00-${trace}-${parent}-01`,
    `00-${trace}-${parent}-00`,
    `00-${trace}-${parent}-ff`,
    `01-${trace}-${parent}-01`,
    `cc-${trace}-${parent}-01-what-the-future-will-be`,
  ])('%s is believed', (text) => expect(validTraceparent(text)).toBe(true));

  it.each([
    '',
    `00-${trace}-${parent}`,
    `00-${trace}-${parent}-01-more`,
    `01-${trace}-${parent}-01.more`,
    `ff-${trace}-${parent}-01`,
    `00-${'0'.repeat(32)}-${parent}-01`,
    `00-${trace}-${'0'.repeat(16)}-01`,
    `00-${trace.toUpperCase()}-${parent}-01`,
    `00_${trace}-${parent}-01`,
    `00-${trace}-${parent}-0g`,
  ])('%s is not', (text) => expect(validTraceparent(text)).toBe(false));
});

describe('baggage', () => {
  it('keeps 64 members and drops the rest whole', () => {
    const members = (count: number) => Array.from({ length: count }, (_, at) => `k${at}=v`).join(',');
    expect(bounded(members(64))).toBe(members(64));
    expect(bounded(members(65))).toBe(members(64));
    expect(bounded(members(500))).toBe(members(64));
  });

  it('keeps 8,192 bytes and drops what is over in whole members', () => {
    const long = (bytes: number) => `a=${'x'.repeat(bytes - 2)}`;
    expect(bounded(long(8192))).toBe(long(8192));
    expect(bounded(long(8193))).toBe('');
    expect(bounded(`${long(8000)},b=${'y'.repeat(190)}`)).toBe(long(8000));
    expect(bounded(`${long(8192)},b=1`)).toBe(long(8192));
  });

  it('is within the limits after bounding, and a beginning of what it was', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 300 }), { maxLength: 100 }), (parts) => {
        const text = parts.join(',');
        const kept = bounded(text);
        expect(kept.length).toBeLessThanOrEqual(8192);
        expect(kept.split(',').length).toBeLessThanOrEqual(64);
        expect(text.startsWith(kept)).toBe(true);
        expect(bounded(kept)).toBe(kept);
        if (kept !== text) expect(kept === '' || text[kept.length] === ',').toBe(true);
      }),
    );
  });

  it('knows its members by name', () => {
    expect(carries('a=1,ff.x=on;p=1, b=2', 'ff.x')).toBe(true);
    expect(carries('a=1 ,\tff.x\t=on', 'ff.x')).toBe(true);
    expect(carries('aff.x=on,ff.xy=1,b=ff.x', 'ff.x')).toBe(false);
    expect(carries('', 'ff.x')).toBe(false);
  });

  it('joins only what fits', () => {
    expect(joined('', 'a=1')).toBe('a=1');
    expect(joined('b=2', 'a=1')).toBe('b=2,a=1');
    expect(joined('x'.repeat(8190), 'a=1')).toBeNull();
  });
});

describe('near names', () => {
  const known = ['inventory', 'payments', 'payment-audit', 'orders', 'order', 'web'];

  it.each([
    ['inventroy', ['inventory']],
    ['Inventory', ['inventory']],
    ['payment', ['payments']],
    ['oders', ['orders']],
    ['wbe', ['web']],
    ['shipping', []],
    ['', []],
  ])('%j may have meant %j', (name, near) => expect(nearNames(name, known)).toEqual(near));

  it('names three at most', () => {
    expect(nearNames('abcd', ['abc1', 'abc2', 'abc3', 'abc4'])).toEqual(['abc1', 'abc2', 'abc3']);
  });

  it('counts edits alike in both directions', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 }), (a, b) => {
        expect(editsBetween(a, b)).toBe(editsBetween(b, a));
        expect(editsBetween(a, b) === 0).toBe(a === b);
        expect(editsBetween(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });
});

describe('the service in an authority', () => {
  it.each([
    ['inventory', 'inventory'],
    ['inventory:50051', 'inventory'],
    ['inventory.mesh', 'inventory'],
    ['inventory.mesh:443', 'inventory'],
    ['stock.v2', 'stock.v2'],
    ['a_b-c.d', 'a_b-c.d'],
  ])('%s is %s', (authority, name) => expect(nameInAuthority(authority)).toEqual({ name, misnamed: null }));

  it.each([
    ['', 'absent'],
    ['127.0.0.1', 'address'],
    ['127.0.0.1:15001', 'address'],
    ['[::1]:15001', 'address'],
    ['[fe80::1]', 'address'],
    ['localhost', 'address'],
    ['localhost:15001', 'address'],
    ['.mesh', 'absent'],
    ['a b', 'malformed'],
    ['-a', 'malformed'],
    ['../x', 'malformed'],
    ['a:b', 'malformed'],
    ['a:123456', 'malformed'],
    ['user@inventory', 'malformed'],
  ])('%j is none: %s', (authority, misnamed) =>
    expect(nameInAuthority(authority)).toEqual({ name: '', misnamed }),
  );

  it('takes a plain name as it is', () => {
    expect(plainName('inventory.mesh').name).toBe('inventory.mesh');
    expect(plainName('a'.repeat(129)).misnamed).toBe('malformed');
  });
});

describe('intentions', () => {
  it('decide by destination first, then by source, exact before wildcard', () => {
    const all = ['*', 'web'].flatMap((from) => ['*', 'db'].map((to) => ({ from, to, allow: true })));
    const order: string[] = [];
    while (all.length > 0) {
      const next = decisive(all, 'web', 'db')!;
      order.push(`${next.from} to ${next.to}`);
      all.splice(all.indexOf(next), 1);
    }
    expect(order).toEqual(['web to db', '* to db', 'web to *', '* to *']);
  });

  it('do not take the empty name for a name', () => {
    expect(decisive([{ from: '', to: 'db', allow: true }], '', 'db')).toBeNull();
  });
});

describe('random hex', () => {
  it('fills its pool again when it is used up, and gives no byte twice', () => {
    let fills = 0;
    const hex = randomHex((pool) => {
      for (let at = 0; at < pool.length; at++) pool[at] = fills * 16 + (at % 16);
      fills++;
    });
    expect(hex(16)).toBe('000102030405060708090a0b0c0d0e0f');
    expect(hex(2)).toBe('0001');
    for (let used = 18; used + 16 <= 4096; used += 16) hex(16);
    expect(fills).toBe(1);
    expect(hex(16)).toBe('101112131415161718191a1b1c1d1e1f');
    expect(fills).toBe(2);
  });
});

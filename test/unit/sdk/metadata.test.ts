import { describe, expect, it, test } from 'vitest';
import { millisecondsOf } from '../../../sdk/duration.ts';
import { Metadata } from '../../../sdk/index.ts';

describe('metadata', () => {
  it('has several values of a name, in order, whatever the case of the name', () => {
    const metadata = new Metadata({ 'X-Tag': ['a', 'b'], 'x-none': undefined }).append('x-tag', 'c');
    expect(metadata.getAll('X-TAG')).toEqual(['a', 'b', 'c']);
    expect([metadata.get('x-tag'), metadata.text('x-tag'), metadata.text('x-none')]).toEqual(['a', 'a', '']);
    expect([...metadata.set('x-tag', 'd')]).toEqual([['x-tag', 'd']]);
    expect(metadata.delete('x-tag').has('x-tag')).toBe(false);
  });

  it('is copied, not shared', () => {
    const first = new Metadata({ a: '1' });
    const second = new Metadata(first).set('a', '2');
    expect([first.get('a'), second.get('a')]).toEqual(['1', '2']);
  });

  it.each([
    ['a name with a space', 'x tag', 'a', /cannot have the name "x tag"/],
    ['a line break', 'x-tag', 'a\nb', /takes printable ASCII, not "a\\nb"/],
    ['text that is not ASCII', 'x-tag', 'ö', /give the name -bin and send a Buffer/],
    ['text where octets belong', 'x-tag-bin', 'a', /takes a Buffer, because its name ends in -bin/],
    ['octets where text belongs', 'x-tag', Buffer.from('a'), /octets need a name that ends in -bin/],
  ])('refuses %s, and says why', (_, name, value, why) => {
    expect(() => new Metadata().set(name, value)).toThrow(why);
  });
});

test.each([
  [250, 250],
  [0, 0],
  ['250ms', 250],
  ['2s', 2000],
  ['1.5m', 90_000],
  ['1h', 3_600_000],
] as const)('the duration %j is %i milliseconds', (duration, ms) => {
  expect(millisecondsOf(duration, 'timeout')).toBe(ms);
});

test.each([[-1], [Number.NaN], ['2'], ['2 s'], ['soon'], [null]])(
  '%j is no duration, and the error names the option',
  (duration) => {
    expect(() => millisecondsOf(duration as never, 'timeout')).toThrow(
      /^timeout is .*: give milliseconds as a number/,
    );
  },
);

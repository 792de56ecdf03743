import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileFilter } from '../../../sidecar/consul-dev/filter.ts';
import type { Shape } from '../../../sidecar/consul-dev/filter-shapes.ts';
import { Refusal } from '../../../sidecar/consul-dev/refusal.ts';

const shape: Shape = {
  fields: {
    Name: 'string',
    Port: 'int',
    On: 'bool',
    Tags: { list: 'string' },
    Meta: { map: 'string' },
    Checks: { list: { fields: { Status: 'string' } } },
  },
};
const record = {
  Name: 'web one',
  Port: 80,
  On: true,
  Tags: ['a', 'b c'],
  Meta: { 'x-y': '1', z: '' },
  Checks: [{ Status: 'passing' }, { Status: 'critical' }],
};
const passes = (text: string) => compileFilter(text, shape)(record);

describe('a filter expression', () => {
  it('binds and tighter than or, and not tightest', () => {
    expect(passes('Port == 80 or Port == 1 and Port == 2')).toBe(true);
    expect(passes('(Port == 80 or Port == 1) and Port == 2')).toBe(false);
    expect(passes('not Port == 1 and Port == 2')).toBe(false);
    expect(passes('not (Port == 1 and Port == 2)')).toBe(true);
    expect(passes('not not Port == 80')).toBe(true);
  });

  it('reads values in quotes, in back quotes and bare', () => {
    expect(passes('Name == "web one"')).toBe(true);
    expect(passes('Name == `web one`')).toBe(true);
    expect(passes('"b c" in Tags')).toBe(true);
    expect(passes('Meta["x-y"] == 1')).toBe(true);
    expect(passes('Meta[`x-y`]!=1')).toBe(false);
    expect(passes('Name == "web \\u006fne"')).toBe(true);
    expect(passes('Meta.z == ""')).toBe(true);
    expect(passes('On == true')).toBe(true);
  });

  it('is true of a list when it is true of any element', () => {
    expect(passes('Checks.Status == critical')).toBe(true);
    expect(passes('Checks.Status != critical')).toBe(true);
    expect(passes('not Checks.Status == critical')).toBe(false);
  });

  it('lets all pass when it is empty', () => {
    expect(compileFilter(null, shape)({})).toBe(true);
    expect(passes('  ')).toBe(true);
  });

  it('does not take names of every object’s own making', () => {
    expect(() => passes('constructor == a')).toThrow('Selector "constructor" is not valid');
    expect(passes('Meta.toString == ""')).toBe(false);
    expect(passes('toString in Meta')).toBe(false);
  });

  it('says at which column it lost its way', () => {
    expect(() => passes('Port = 80')).toThrow('1:6 (5): no match found, expected: "!=", "==", "contains"');
    expect(() => passes('Port == 80 Name == a')).toThrow(
      '1:12 (11): no match found, expected: "and", "or" or EOF',
    );
    expect(() => passes('(Port == 80')).toThrow('expected: ")", "and" or "or"');
  });

  it('is refused when it is too long or too deep', () => {
    expect(() => passes(`${'('.repeat(200)}Port == 80${')'.repeat(200)}`)).toThrow('nested deeper than 100');
    expect(() => passes('x'.repeat(9000))).toThrow('longer than 8192 characters');
    expect(passes(Array.from({ length: 150 }, () => '(Port == 80)').join(' and '))).toBe(true);
  });

  it('is compiled or refused, whatever it says', () => {
    const word = fc.constantFrom(
      ...['Name', 'Port', 'Meta.z', 'Tags', '==', '!=', 'in', 'not', 'and', 'or', '(', ')', 'is', 'empty'],
      ...['contains', '1', '"x"', '"\\', '`', '[', '.', 'true', 'Meta["', '\u00e9'],
    );
    const words = fc.array(word, { maxLength: 12 }).map((list) => list.join(' '));
    fc.assert(
      fc.property(fc.oneof(words, fc.string({ maxLength: 40 })), (text) => {
        try {
          return typeof passes(text) === 'boolean';
        } catch (error) {
          return error instanceof Refusal && error.status === 500;
        }
      }),
      { numRuns: 2000 },
    );
  });
});

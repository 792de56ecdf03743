import { describe, expect, it } from 'vitest';
import type { FieldMatch, TextMatch } from '../../../sidecar/core/routes.ts';
import { ruleFinder } from '../../../sidecar/policies/route-match.ts';
import { type CallParts, newCall } from '../../support/calls.ts';
import { rule, table, text } from '../../support/chains.ts';
import { stillKit } from '../../support/kit.ts';

const { clock } = stillKit();
const method = '/shop.Inventory/Get';

const fits = (parts: { path?: TextMatch; fields?: FieldMatch[] }, call: CallParts = {}): boolean =>
  ruleFinder()(table(rule(parts)), newCall(clock, { method, ...call })) !== null;

const field = (match: TextMatch, invert = false, name = 'x-v'): FieldMatch[] => [{ name, ...match, invert }];

describe('a rule by path', () => {
  it.each<[TextMatch, boolean]>([
    [text('exact', '/shop.Inventory/Get'), true],
    [text('exact', '/shop.Inventory/Ge'), false],
    [text('exact', '/SHOP.inventory/get'.toLowerCase(), true), true],
    [text('prefix', '/shop.Inventory/'), true],
    [text('prefix', '/shop.inventory/'), false],
    [text('prefix', '/shop.inventory/', true), true],
    [text('pattern', '/shop\\.(Inventory|Orders)/[A-Z][a-z]+'), true],
    [text('pattern', '/shop'), false], // the whole path, as in Envoy
    [text('pattern', '(?i)/SHOP.*'), true],
  ])('%j', (path, expected) => {
    expect(fits({ path })).toBe(expected);
  });
});

describe('a rule by header', () => {
  const metadata = ['content-type', 'application/grpc', 'x-v', 'Version-2', 'x-v', 'beta'];
  it.each<[TextMatch, boolean]>([
    [text('present'), true],
    [text('exact', 'Version-2,beta'), true],
    [text('exact', 'beta'), false],
    [text('prefix', 'Version'), true],
    [text('prefix', 'version'), false],
    [text('prefix', 'version', true), true],
    [text('suffix', 'beta'), true],
    [text('suffix', 'alpha'), false],
    [text('contains', '2,b'), true],
    [text('pattern', 'Version-[0-9],.*'), true],
    [text('pattern', 'Version-[0-9]'), false],
  ])('%j, several values joined', (match, expected) => {
    expect(fits({ fields: field(match) }, { metadata })).toBe(expected);
    expect(fits({ fields: field(match, true) }, { metadata })).toBe(!expected);
  });

  it('fits no absent field, inverted or not; only presence inverted asks for that', () => {
    for (const invert of [false, true]) {
      expect(fits({ fields: field(text('exact', 'a'), invert) })).toBe(false);
      expect(fits({ fields: field(text('pattern', '.*'), invert) })).toBe(false);
      expect(fits({ fields: field(text('present'), invert) })).toBe(invert);
    }
  });

  it('asks for all fields', () => {
    const both = [...field(text('present')), ...field(text('exact', 'b'), false, 'x-w')];
    expect(fits({ fields: both }, { metadata: ['x-v', 'a', 'x-w', 'b'] })).toBe(true);
    expect(fits({ fields: both }, { metadata: ['x-v', 'a', 'x-w', 'c'] })).toBe(false);
  });

  it.each<[string, string, CallParts]>([
    [':authority', 'inventory', {}],
    ['host', 'inventory', {}],
    [':method', 'POST', {}],
    [':path', method, {}],
    ['te', 'trailers', {}],
    ['x-request-id', 'r1', { words: { requestId: 'r1' } }],
    ['traceparent', 't', { words: { traceparent: 't' } }],
    ['tracestate', 's', { words: { tracestate: 's' } }],
    ['grpc-timeout', '5S', { words: { timeout: '5S' } }],
  ])('reads %s, which is no metadata', (name, value, call) => {
    expect(fits({ fields: field(text('exact', value), false, name) }, call)).toBe(true);
  });

  it('reads the flags that this hop wrote into the baggage', () => {
    const call = newCall(clock, {}).carrying('ff.express=on');
    const byFlag = table(rule({ fields: field(text('contains', 'ff.express=on'), false, 'baggage') }));
    expect(ruleFinder()(byFlag, call)).toBe(byFlag.rules[0]);
  });
});

describe('patterns', () => {
  it('hold up nobody: one that takes hours elsewhere is done at once', () => {
    const value = `${'a'.repeat(4000)}!`;
    const parts = { fields: field(text('pattern', '(a+)+b|(a|aa)+c|(.*)*d')) };
    const begun = performance.now();
    expect(fits(parts, { metadata: ['x-v', value] })).toBe(false);
    expect(performance.now() - begun).toBeLessThan(500);
  });

  it('are not tried on values above 4,096 characters: such a field fits neither way', () => {
    for (const invert of [false, true]) {
      const parts = { fields: field(text('pattern', 'a*'), invert) };
      expect(fits(parts, { metadata: ['x-v', 'a'.repeat(4097)] })).toBe(false);
      expect(fits(parts, { metadata: ['x-v', 'a'.repeat(4096)] })).toBe(!invert);
    }
  });

  it('that cannot be read fit nothing', () => {
    expect(fits({ path: text('pattern', '(') })).toBe(false);
    expect(fits({ fields: field(text('pattern', '('), true) }, { metadata: ['x-v', 'a'] })).toBe(false);
  });
});

it('the first rule that fits decides', () => {
  const rules = table(
    rule({ path: text('prefix', '/other') }),
    rule({ path: text('prefix', '/shop'), timeoutMs: 1 }),
    rule({ path: text('exact', method), timeoutMs: 2 }),
  );
  expect(ruleFinder()(rules, newCall(clock, { method }))).toBe(rules.rules[1]);
  expect(ruleFinder()(table(rules.rules[0]!), newCall(clock, { method }))).toBeNull();
});

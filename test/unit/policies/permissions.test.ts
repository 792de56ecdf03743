import { describe, expect, it } from 'vitest';
import { type HeaderRule, type Permission, unclear } from '../../../sidecar/core/permission.ts';
import { permissionJudge, unclearIn } from '../../../sidecar/policies/permissions.ts';
import { type CallParts, newCall } from '../../support/calls.ts';
import { stillKit } from '../../support/kit.ts';

const { clock } = stillKit();

const permission = (parts: Partial<Permission>): Permission => ({
  allow: true,
  path: null,
  headers: [],
  methods: [],
  unclear: null,
  ...parts,
});
const header = (
  name: string,
  ask: HeaderRule['ask'],
  text = '',
  parts: Partial<HeaderRule> = {},
): HeaderRule => ({
  name,
  ask,
  text,
  ignoreCase: false,
  invert: false,
  ...parts,
});

/** Whether one permission fits a call. */
const fits = (parts: Partial<Permission>, call: CallParts): boolean =>
  permissionJudge([permission(parts)]).decide(newCall(clock, call)) === 0;

/** The same, of one header rule and the values of `x-tier`. */
const holds = (rule: HeaderRule, allow: boolean, ...values: string[]): boolean =>
  fits({ allow, headers: [rule] }, { metadata: values.flatMap((value) => ['x-tier', value]) });

describe('permissions', () => {
  it.each<[string, Permission['path'], boolean]>([
    ['the exact path', { ask: 'exact', text: '/shop.Inventory/Get' }, true],
    ['not another case', { ask: 'exact', text: '/shop.inventory/get' }, false],
    ['not a longer one', { ask: 'exact', text: '/shop.Inventory/GetAll' }, false],
    ['a prefix', { ask: 'prefix', text: '/shop.Inventory' }, true],
    ['not one with more at its end', { ask: 'prefix', text: '/shop.Inventory/Get/' }, false],
    ['a pattern for the whole', { ask: 'regex', text: '/shop\\.[A-Z]\\w+/Get' }, true],
    ['not for a part', { ask: 'regex', text: 'Inventory' }, false],
  ])('look at %s', (_, path, expected) => {
    expect(fits({ path }, {})).toBe(expected);
  });

  it('know that each gRPC call is a POST', () => {
    expect(fits({ methods: ['GET', 'POST'] }, {})).toBe(true);
    expect(fits({ methods: ['GET'] }, {})).toBe(false);
  });

  it('want all that they ask for', () => {
    const asks = {
      path: { ask: 'prefix', text: '/shop.' },
      headers: [header('x-tier', 'exact', 'gold')],
    } as const;
    expect(fits(asks, { metadata: ['x-tier', 'gold'] })).toBe(true);
    expect(fits(asks, { metadata: ['x-tier', 'tin'] })).toBe(false);
    expect(fits(asks, { method: '/other.A/B', metadata: ['x-tier', 'gold'] })).toBe(false);
  });

  it('are asked in their order: the first that fits decides', () => {
    const judge = permissionJudge([
      permission({ allow: false, path: { ask: 'exact', text: '/shop.Inventory/Delete' } }),
      permission({ path: { ask: 'prefix', text: '/shop.' } }),
    ]);
    const decide = (method: string) => judge.decide(newCall(clock, { method }));
    expect(decide('/shop.Inventory/Delete')).toBe(0);
    expect(decide('/shop.Inventory/Get')).toBe(1);
    expect(decide('/other.A/B')).toBe(-1);
  });

  it.each<[HeaderRule, readonly string[], readonly string[]]>([
    [header('x-tier', 'exact', 'gold'), ['gold'], ['Gold', 'golden', '']],
    [header('x-tier', 'exact', 'gold', { ignoreCase: true }), ['GOLD'], ['silver']],
    [header('x-tier', 'prefix', 'go'), ['gold', 'go'], ['ago']],
    [header('x-tier', 'suffix', 'ld'), ['gold'], ['golds']],
    [header('x-tier', 'contains', 'ol'), ['gold'], ['glod']],
    [header('x-tier', 'regex', 'go+ld'), ['gold', 'goold'], ['xgold']],
    [header('x-tier', 'exact', 'gold', { invert: true }), ['tin'], ['gold']],
  ])('compare one value as asked: %o', (rule, good, bad) => {
    for (const allow of [true, false]) {
      expect(good.filter((value) => !holds(rule, allow, value))).toEqual([]);
      expect(bad.filter((value) => holds(rule, allow, value))).toEqual([]);
    }
  });

  it('ask whether a header is there, or is not', () => {
    const there = header('x-tier', 'present');
    const away = header('x-tier', 'present', '', { invert: true });
    for (const allow of [true, false])
      expect([
        holds(there, allow, ''),
        holds(there, allow),
        holds(away, allow, 'gold'),
        holds(away, allow),
      ]).toEqual([true, false, false, true]);
  });

  it('take of several readings of a header the one that refuses', () => {
    const gold = header('x-tier', 'exact', 'gold');
    // Two fields: the app may take the first, the last, or both joined.
    expect([holds(gold, true, 'gold', 'tin'), holds(gold, false, 'gold', 'tin')]).toEqual([false, true]);
    expect([holds(gold, true, 'tin', 'gold'), holds(gold, false, 'tin', 'gold')]).toEqual([false, true]);
    const joined = header('x-tier', 'exact', 'gold,tin');
    expect([holds(joined, true, 'gold', 'tin'), holds(joined, false, 'gold', 'tin')]).toEqual([false, true]);
    // Blanks around: gRPC lets a peer strip them.
    expect([holds(gold, true, ' gold'), holds(gold, false, ' gold')]).toEqual([false, true]);
    // Not ASCII, control characters, or too long to be looked at: anything, to a rule that refuses.
    for (const odd of ['gold\u00e9', 'gold\t', 'g'.repeat(4097)])
      expect([holds(gold, true, odd), holds(gold, false, odd)]).toEqual([false, true]);
    // Turned round and absent: Envoy lets it not hold; a rule that refuses takes it as not being gold.
    const other = header('x-tier', 'exact', 'gold', { invert: true });
    expect([holds(other, true), holds(other, false)]).toEqual([false, true]);
  });

  it('see headers as the app will: made, trimmed and ours', () => {
    const call = newCall(clock, {
      caller: 'web',
      authority: 'inventory:443',
      words: { priority: 'high' },
    }).identified('made-1', '00-trace', 'state', 'k=v');
    const sees = (name: string, text: string) =>
      permissionJudge([permission({ headers: [header(name, 'exact', text)] })]).decide(call) === 0;
    expect(
      [
        ['x-request-id', 'made-1'],
        ['traceparent', '00-trace'],
        ['tracestate', 'state'],
        ['baggage', 'k=v'],
        ['x-outrigger-caller', 'web'],
        ['x-outrigger-priority', 'high'],
        [':path', '/shop.Inventory/Get'],
        [':method', 'POST'],
        [':authority', 'inventory:443'],
        ['content-type', 'application/grpc'],
      ].filter(([name, text]) => !sees(name!, text!)),
    ).toEqual([]);
    expect(sees('x-outrigger-caller', 'admin')).toBe(false);
  });

  it.each<[Partial<Permission>, string]>([
    [{ unclear: 'JWT: Unrecognized key' }, 'JWT: Unrecognized key'],
    [{ path: { ask: 'regex', text: '(?=a)' } }, "the pattern '(?=a)': '(?=' is left out"],
    [{ headers: [header('x', 'regex', '(')] }, "the pattern '(': a '(' without its ')'"],
    [
      { headers: [header('x', 'regex', 'a', { ignoreCase: true })] },
      'a pattern says itself whether case counts',
    ],
    [{ headers: [header('grpc-timeout', 'present')] }, "the app does not see the 'grpc-timeout'"],
    [{ headers: [header('te', 'exact', 'trailers')] }, "the app does not see the 'te'"],
    [{ headers: [header('x-outrigger-token', 'present')] }, "the app does not see the 'x-outrigger-token'"],
    [
      { headers: [header('x-forwarded-client-cert', 'present')] },
      "the app does not see the 'x-forwarded-client-cert'",
    ],
    [{ headers: [header('x_outrigger_caller', 'present')] }, "the app does not see the 'x_outrigger_caller'"],
    [
      { headers: [header('key-bin', 'exact', 'AAE=')] },
      "the bytes of 'key-bin' can be spelled in several ways",
    ],
    [{ headers: [header(':scheme', 'exact', 'https')] }, "':scheme' is no header that a call can have"],
    [{ headers: [header('x tier', 'present')] }, "'x tier' is no header that a call can have"],
  ])('that cannot be kept refuse what comes to them: %o', (parts, why) => {
    const judge = permissionJudge([permission(parts)]);
    expect(judge.unclear[0]).toContain(why);
    expect(judge.decide(newCall(clock))).toBe(0);
  });

  it('may ask whether a -bin header is there', () => {
    expect(fits({ headers: [header('key-bin', 'present')] }, { metadata: ['key-bin', 'AAE'] })).toBe(true);
  });

  it('that cannot be kept are named with their place', () => {
    const permissions = [permission({}), unclear('HTTP: it asks for nothing')];
    expect(unclearIn([{ from: 'web', to: 'orders', allow: false, permissions }])).toEqual([
      "permission 2 of the intention 'web' to 'orders': HTTP: it asks for nothing",
    ]);
  });
});

import { describe, expect, it } from 'vitest';
import { intentionsAnswer } from '../../../sidecar/consul/answers.ts';
import type { Permission } from '../../../sidecar/core/permission.ts';
import { frozenAccess } from '../../../sidecar/sources/freeze.ts';
import { intentionOf } from '../../../sidecar/sources/intentions.ts';

const read = (parts: Record<string, unknown>) => {
  const answer = { orders: [{ SourceName: 'web', DestinationName: 'orders', ...parts }] };
  return intentionOf(intentionsAnswer.parse(answer)['orders']![0]!);
};
const permissions = (...list: unknown[]): readonly Permission[] => read({ Permissions: list }).permissions!;
const http = (words: Record<string, unknown>): Permission =>
  permissions({ Action: 'allow', HTTP: words })[0]!;

describe('an intention of Consul', () => {
  it('of before 1.9 allows or denies', () => {
    expect(read({ Action: 'allow', SourceNS: 'default', SourceType: 'consul', DefaultPort: 0 })).toEqual({
      from: 'web',
      to: 'orders',
      allow: true,
    });
    expect(read({ Action: 'deny' })).toEqual({ from: 'web', to: 'orders', allow: false });
  });

  it('has permissions since 1.9, each with what it asks', () => {
    expect(
      permissions(
        { Action: 'deny', HTTP: { PathExact: '/a.B/C' } },
        { Action: 'allow', HTTP: { PathPrefix: '/a.', Methods: ['post'], Header: null } },
        {
          Action: 'allow',
          HTTP: {
            PathRegex: '/a.*',
            Header: [
              { Name: 'X-Tier', Exact: 'gold', Invert: true },
              { Name: 'x-a', Present: true },
              { Name: 'x-b', Contains: 'c', IgnoreCase: true },
            ],
          },
        },
      ),
    ).toEqual([
      { allow: false, path: { ask: 'exact', text: '/a.B/C' }, headers: [], methods: [], unclear: null },
      { allow: true, path: { ask: 'prefix', text: '/a.' }, headers: [], methods: ['POST'], unclear: null },
      {
        allow: true,
        path: { ask: 'regex', text: '/a.*' },
        headers: [
          { name: 'x-tier', ask: 'exact', text: 'gold', ignoreCase: false, invert: true },
          { name: 'x-a', ask: 'present', text: '', ignoreCase: false, invert: false },
          { name: 'x-b', ask: 'contains', text: 'c', ignoreCase: true, invert: false },
        ],
        methods: [],
        unclear: null,
      },
    ]);
  });

  it.each<[string, unknown, RegExp]>([
    [
      'a JWT',
      { Action: 'allow', HTTP: { PathExact: '/a' }, JWT: { Providers: [] } },
      /Unrecognized key: "JWT"/,
    ],
    [
      'a word in HTTP that nobody knows',
      { Action: 'allow', HTTP: { PathGlob: '/a' } },
      /^HTTP: .*"PathGlob"/,
    ],
    ['a word about a header', { Action: 'allow', HTTP: { Header: [{ Name: 'a', Like: 'b' }] } }, /"Like"/],
    ['another action', { Action: 'audit', HTTP: { PathExact: '/a' } }, /^Action: /],
    ['no HTTP', { Action: 'allow' }, /^HTTP: /],
    ['no object', 'allow', /expected object/],
    ['two paths', { Action: 'allow', HTTP: { PathExact: '/a', PathPrefix: '/' } }, /the path in two ways/],
    ['nothing asked', { Action: 'allow', HTTP: { Header: [], Methods: [] } }, /asks for nothing/],
    ['nothing asked of a header', { Action: 'allow', HTTP: { Header: [{ Name: 'a' }] } }, /'a' in one way/],
    [
      'a header in two ways',
      { Action: 'allow', HTTP: { Header: [{ Name: 'a', Exact: 'b', Prefix: 'b' }] } },
      /'a' in one way/,
    ],
  ])('is kept closed for a permission with %s', (_, given, why) => {
    const [permission] = permissions(given);
    expect(permission!.allow).toBe(false);
    expect(permission!.unclear).toMatch(why);
  });

  it.each<[Record<string, unknown>, string]>([
    [{ Action: 'allow', JWT: { Providers: [{ Name: 'a' }] } }, 'it hangs on what is not supported: JWT'],
    [{ Action: 'allow', SourceSamenessGroup: 'g' }, 'not supported: SourceSamenessGroup g'],
    [{ Action: 'allow', SourcePartition: 'west' }, 'not supported: SourcePartition west'],
    [{ Action: 'allow', SourceNS: 'prod' }, 'not supported: SourceNS prod'],
    [{ Action: 'allow', SourceType: 'external' }, 'not supported: SourceType external'],
    [{ Action: 'log' }, "its Action is 'log', not allow or deny"],
    [{}, "its Action is '', not allow or deny"],
    [{ Action: 'allow', Permissions: [{}] }, "it has permissions beside Action 'allow'"],
  ])('is kept closed: %o', (parts, why) => {
    const { allow, permissions } = read(parts);
    expect(allow).toBe(false);
    expect(permissions).toHaveLength(1);
    expect(permissions![0]!.unclear).toContain(why);
  });

  it('that denies does so, whatever else it says', () => {
    expect(read({ Action: 'deny', JWT: {} })).toEqual({ from: 'web', to: 'orders', allow: false });
  });

  it('spoils no other by a form that cannot be read', () => {
    expect(http({ PathExact: '/a' }).unclear).toBeNull();
    expect(
      permissions({ Action: 'allow', HTTP: { PathExact: '/a' } }, 7).map(({ unclear }) => unclear === null),
    ).toEqual([true, false]);
  });

  it('is frozen to its depth, and stays the same object while it says the same', () => {
    const access = () => ({
      intentions: [read({ Permissions: [{ Action: 'allow', HTTP: { PathExact: '/a' } }] })],
      allowByDefault: false,
      because: '',
    });
    const first = frozenAccess(access(), { ...access(), because: 'other' });
    expect(Object.isFrozen(first.intentions[0]!.permissions![0]!.path)).toBe(true);
    expect(frozenAccess(first, { ...access(), because: 'other' })).toBe(first);
  });
});

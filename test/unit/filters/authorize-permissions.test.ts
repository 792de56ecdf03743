import { describe, expect, it } from 'vitest';
import { silent } from '../../../sidecar/core/log.ts';
import { type Permission, unclear } from '../../../sidecar/core/permission.ts';
import { Refusals } from '../../../sidecar/core/refusals.ts';
import { Code } from '../../../sidecar/core/status.ts';
import { type AuthorizeSettings, authorize } from '../../../sidecar/filters/authorize.ts';
import { answer, type CallParts, newCall, run, snapshot } from '../../support/calls.ts';
import { type StillKit, stillKit } from '../../support/kit.ts';

const permission = (allow: boolean, path: string, parts: Partial<Permission> = {}): Permission => ({
  allow,
  path: path === '' ? null : { ask: 'prefix', text: path },
  headers: [],
  methods: [],
  unclear: null,
  ...parts,
});

const said = (allowByDefault: boolean, ...permissions: Permission[]) =>
  snapshot({
    access: {
      intentions: [{ from: 'web', to: 'inventory', allow: false, permissions }],
      allowByDefault,
      because: 'the agent says so',
    },
  });

const tellingKit = (): { readonly kit: StillKit; readonly told: string[] } => {
  const told: string[] = [];
  const warn = (_: unknown, event: string): void => void told.push(event);
  return { kit: { ...stillKit(), log: { ...silent, warn } }, told };
};

const judge = (kit: StillKit, words: Partial<AuthorizeSettings> = {}) => {
  const filter = authorize(kit, { service: 'inventory', anonymous: false, ...words });
  return async (parts: CallParts) =>
    run((call) => filter(call, () => answer()), newCall(kit.clock, { caller: 'web', ...parts }));
};

describe('authorize, where an intention has permissions', () => {
  it('lets the first permission that fits decide, and the default where none does', async () => {
    for (const allowByDefault of [true, false]) {
      const ask = judge(stillKit());
      const rules = said(
        allowByDefault,
        permission(false, '/shop.Inventory/Delete'),
        permission(true, '/shop.'),
      );
      const code = async (method: string) => (await ask({ method, snapshot: rules })).code;
      expect(await code('/shop.Inventory/Delete')).toBe(Code.PERMISSION_DENIED);
      expect(await code('/shop.Inventory/Get')).toBe(Code.OK);
      expect(await code('/other.A/B')).toBe(allowByDefault ? Code.OK : Code.PERMISSION_DENIED);
    }
  });

  it('does not look at a lower intention where no permission fits', async () => {
    const access = said(false, permission(true, '/shop.Inventory/Get')).access;
    const intentions = [...access.intentions, { from: '*', to: 'inventory', allow: true }];
    const ask = judge(stillKit());
    const rules = snapshot({ access: { ...access, intentions } });
    expect((await ask({ method: '/shop.Inventory/Get', snapshot: rules })).code).toBe(Code.OK);
    expect((await ask({ method: '/shop.Inventory/Put', snapshot: rules })).code).toBe(Code.PERMISSION_DENIED);
    expect((await ask({ caller: 'batch', method: '/shop.Inventory/Put', snapshot: rules })).code).toBe(
      Code.OK,
    );
  });

  it('says which permission refused, or that none let it in, once for each', async () => {
    const { kit, told } = tellingKit();
    const ask = judge(kit);
    const rules = said(false, permission(false, '/shop.Inventory/Delete'), {
      ...unclear('JWT is not known'),
      path: null,
    });
    const messages = [];
    for (const method of ['/shop.Inventory/Delete', '/shop.Inventory/Delete', '/a.B/C'])
      messages.push((await ask({ method, snapshot: rules })).message);
    expect(messages).toEqual([
      "'web' may not make this call to 'inventory': permission 1 of the intention 'web' to 'inventory' denies",
      "'web' may not make this call to 'inventory': permission 1 of the intention 'web' to 'inventory' denies",
      "'web' may not make this call to 'inventory': permission 2 of the intention 'web' to 'inventory' cannot be kept, and refuses what comes to it: JWT is not known",
    ]);
    expect(told).toEqual([messages[0], messages[2]]);
    const none = await judge(kit)({ snapshot: said(false, permission(true, '/other.')) });
    expect(none.message).toBe(
      "'web' may not make this call to 'inventory': no permission of the intention 'web' to 'inventory' allows it, and the default is deny (the agent says so)",
    );
    expect(kit.meter.count('outrigger_denied_total', 'web').value).toBe(4);
  });

  it('looks at headers with every call, also where the method was let in before', async () => {
    const gold = { name: 'x-tier', ask: 'exact', text: 'gold', ignoreCase: false, invert: false } as const;
    const rules = said(false, permission(true, '/shop.', { headers: [gold] }));
    const ask = judge(stillKit());
    const codes = [];
    for (const tier of ['gold', 'tin', 'gold'])
      codes.push((await ask({ metadata: ['x-tier', tier], snapshot: rules })).code);
    expect(codes).toEqual([Code.OK, Code.PERMISSION_DENIED, Code.OK]);
  });

  it('forgets the methods of a caller that invents them, and judges as before', async () => {
    const rules = said(false, permission(true, '/shop.'));
    const ask = judge(stillKit());
    for (let at = 0; at < 1100; at++)
      expect((await ask({ method: `/shop.A/M${at}`, snapshot: rules })).code).toBe(Code.OK);
    expect((await ask({ method: '/other.A/B', snapshot: rules })).code).toBe(Code.PERMISSION_DENIED);
  });

  it('refuses who is of another namespace, whatever is said of all', async () => {
    const everybody = snapshot({
      access: { intentions: [{ from: '*', to: '*', allow: true }], allowByDefault: true, because: '' },
    });
    const ask = judge(stillKit());
    expect((await ask({ caller: 'ns/prod/dc/dc1/svc/web', snapshot: everybody })).message).toBe(
      "'ns/prod/dc/dc1/svc/web' may not call 'inventory': its certificate is of a namespace or partition, and intentions on those are not read",
    );
    expect((await ask({ caller: 'prod/web', snapshot: everybody })).code).toBe(Code.OK);
  });
});

describe('authorize, where intentions are only watched', () => {
  it('lets pass what they would refuse, counts it, tells it once a caller and rule, and keeps it for people', async () => {
    const { kit, told } = tellingKit();
    const refusals = new Refusals();
    const ask = judge(kit, { audit: true, refusals });
    const rules = said(false, permission(true, '/shop.'));
    const codes = [];
    for (const method of ['/a.B/C', '/a.B/D', '/shop.Inventory/Get'])
      codes.push((await ask({ method, snapshot: rules })).code);
    codes.push(
      (await ask({ caller: 'batch', snapshot: rules })).code,
      (await ask({ caller: '', snapshot: rules })).code,
    );
    expect(codes).toEqual([0, 0, 0, 0, 0]);
    const why =
      "no permission of the intention 'web' to 'inventory' allows it, and the default is deny (the agent says so)";
    expect(told).toEqual([
      `intentions are only watched; else: 'web' may not make this call to 'inventory': ${why}`,
      "intentions are only watched; else: 'batch' may not call 'inventory': no intention allows it, and the default is deny (the agent says so)",
      "intentions are only watched; else: an unknown caller may not call 'inventory': its certificate names no service",
    ]);
    expect(refusals.list().map(({ caller, calls }) => [caller, calls])).toEqual([
      ['web', 2],
      ['batch', 1],
      ['', 1],
    ]);
    expect(kit.meter.count('outrigger_would_deny_total', 'web').value).toBe(2);
    expect(kit.meter.count('outrigger_denied_total', 'web').value).toBe(0);
    // Control: the same rules, enforced.
    expect((await judge(stillKit())({ method: '/a.B/C', snapshot: rules })).code).toBe(
      Code.PERMISSION_DENIED,
    );
  });
});

describe('the refusals that are kept', () => {
  it('are 500 pairs of caller and rule; later ones count together', () => {
    const refusals = new Refusals();
    for (let at = 0; at < 600; at++) refusals.of(`caller-${at}`, 'no').calls++;
    expect(refusals.list()).toHaveLength(501);
    expect(refusals.list()[0]).toEqual({
      caller: 'others',
      why: 'more refusals than are told apart',
      calls: 100,
    });
  });
});

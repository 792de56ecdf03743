import { describe, expect, it } from 'vitest';
import { silent } from '../../../sidecar/core/log.ts';
import type { Intention } from '../../../sidecar/core/snapshot.ts';
import { Code } from '../../../sidecar/core/status.ts';
import { authorize } from '../../../sidecar/filters/authorize.ts';
import { answer, newCall, run, snapshot } from '../../support/calls.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { type StillKit, stillKit } from '../../support/kit.ts';

const access = (allowByDefault: boolean, ...intentions: Intention[]) =>
  snapshot({ access: { intentions, allowByDefault, because: 'the agent says so' } });

const rule = (from: string, to: string, allow: boolean): Intention => ({ from, to, allow });

const denyWeb = access(true, rule('web', 'inventory', false));

keepsTheFilterContract('authorize', {
  make: (kit) => authorize(kit, { service: 'inventory', anonymous: false }),
  call: ({ clock }) => newCall(clock, { caller: 'orders', snapshot: denyWeb }),
  refused: {
    'a caller that an intention denies': ({ clock }) => newCall(clock, { caller: 'web', snapshot: denyWeb }),
    'a caller without a name': ({ clock }) => newCall(clock, { caller: '', snapshot: denyWeb }),
    'a caller that nothing allows': ({ clock }) => newCall(clock, { caller: 'web', snapshot: access(false) }),
  },
});

/** A kit that notes the callers of whom a warning tells. */
const tellingKit = (): { readonly kit: StillKit; readonly told: unknown[] } => {
  const told: unknown[] = [];
  const warn = ({ caller }: { readonly caller?: unknown }): void => void told.push(caller);
  return { kit: { ...stillKit(), log: { ...silent, warn } }, told };
};

const ask = async (
  caller: string,
  said: ReturnType<typeof access>,
  { anonymous = false, kit = stillKit() }: { anonymous?: boolean; kit?: StillKit } = {},
) => {
  const filter = authorize(kit, { service: 'inventory', anonymous });
  return run((call) => filter(call, () => answer()), newCall(kit.clock, { caller, snapshot: said }));
};

describe('authorize', () => {
  it('says who, whom and which intention when it refuses', async () => {
    const kit = stillKit();
    expect(await ask('web', denyWeb, { kit })).toEqual({
      code: Code.PERMISSION_DENIED,
      message: "'web' may not call 'inventory': the intention 'web' to 'inventory' denies",
      from: 'mesh',
      reached: false,
    });
    expect(kit.meter.count('outrigger_denied_total', 'web').value).toBe(1);
  });

  it('counts each refusal of a caller, and tells of it once', async () => {
    const { kit, told } = tellingKit();
    const filter = authorize(kit, { service: 'inventory', anonymous: false });
    for (let at = 0; at < 3; at++)
      await filter(newCall(kit.clock, { caller: 'web', snapshot: denyWeb }), () => answer());
    expect(kit.meter.count('outrigger_denied_total', 'web').value).toBe(3);
    expect(told).toEqual(['web']);
  });

  it('remembers 1,000 callers and no more; who was forgotten is judged as before', async () => {
    const { kit, told } = tellingKit();
    const filter = authorize(kit, { service: 'inventory', anonymous: false });
    const ask = async (caller: string) =>
      (await filter(newCall(kit.clock, { caller, snapshot: denyWeb }), () => answer())).over!.code;
    expect(await ask('web')).toBe(Code.PERMISSION_DENIED);
    for (let at = 1; at < 1000; at++) expect(await ask(`caller-${at}`)).toBe(Code.OK);
    await ask('web');
    expect(told).toEqual(['web']); // control: the thousandth is remembered beside it
    await ask('caller-1000');
    expect(await ask('web')).toBe(Code.PERMISSION_DENIED);
    expect(told).toEqual(['web', 'web']);
  });

  it('says where the default comes from when no intention matches', async () => {
    expect((await ask('web', access(false))).message).toBe(
      "'web' may not call 'inventory': no intention allows it, and the default is deny (the agent says so)",
    );
    expect((await ask('web', access(true))).code).toBe(Code.OK);
  });

  it.each<[string, boolean, Intention[]]>([
    ['exact source before any source', true, [rule('*', 'inventory', false), rule('web', 'inventory', true)]],
    ['exact destination before exact source', false, [rule('web', '*', true), rule('*', 'inventory', false)]],
    ['any to any last', true, [rule('*', '*', false), rule('web', '*', true)]],
    ['an intention before the default', false, [rule('*', '*', false)]],
    ['nothing that concerns another service', true, [rule('web', 'payments', false)]],
  ])('heeds %s', async (_, allowed, intentions) => {
    const status = await ask('web', access(true, ...intentions));
    expect(status.code).toBe(allowed ? Code.OK : Code.PERMISSION_DENIED);
  });

  it('lets nobody in whose certificate names no service, whatever the rules say', async () => {
    const status = await ask('', access(true, rule('*', '*', true)));
    expect(status.message).toBe(
      "an unknown caller may not call 'inventory': its certificate names no service",
    );
  });

  it('knows nobody while identity is none: only a rule about everybody refuses', async () => {
    expect((await ask('', access(false), { anonymous: true })).code).toBe(Code.OK);
    expect((await ask('', access(true, rule('web', '*', false)), { anonymous: true })).code).toBe(Code.OK);
    const all = await ask('', access(true, rule('*', 'inventory', false)), { anonymous: true });
    expect(all.code).toBe(Code.PERMISSION_DENIED);
  });

  it('follows new rules with the next call', async () => {
    const kit = stillKit();
    const filter = authorize(kit, { service: 'inventory', anonymous: false });
    const codes: number[] = [];
    for (const said of [access(true), denyWeb, access(true)])
      codes.push(
        (
          await run(
            (call) => filter(call, () => answer()),
            newCall(kit.clock, { caller: 'web', snapshot: said }),
          )
        ).code,
      );
    expect(codes).toEqual([0, 7, 0]);
  });

  it('holds in the whole matrix of callers and rules, without one leak', async () => {
    const callers = ['web', 'orders', 'batch'];
    for (const allowed of callers)
      for (const caller of callers) {
        const status = await ask(caller, access(false, rule(allowed, 'inventory', true)));
        expect(status.code, `${caller} where ${allowed} may`).toBe(caller === allowed ? 0 : 7);
      }
  });
});

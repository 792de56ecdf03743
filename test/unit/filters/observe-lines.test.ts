import { describe, expect, it } from 'vitest';
import { type LogLevel, silent } from '../../../sidecar/core/log.ts';
import { Code, ok, refused, type Status } from '../../../sidecar/core/status.ts';
import { observe } from '../../../sidecar/filters/observe.ts';
import { isSampled } from '../../../sidecar/policies/access-lines.ts';
import { answer, type CallParts, newCall, run } from '../../support/calls.ts';
import { type StillKit, stillKit } from '../../support/kit.ts';

const noting = (level: LogLevel = 'info') => {
  const lines: Record<string, unknown>[] = [];
  const info = (fields: object, event: string): void => void lines.push({ ...fields, event });
  const kit: StillKit = { ...stillKit(), log: { ...silent, level, info } };
  return { kit, lines };
};

/** Runs calls with these ids through the filter of one direction. */
const serve = async (
  kit: StillKit,
  access: number | null,
  ids: readonly string[],
  status: Status = ok,
  direction: 'inbound' | 'outbound' = 'outbound',
  parts: CallParts = {},
): Promise<void> => {
  const filter = observe(kit, direction, { access });
  for (const id of ids)
    await run(
      (call) => filter(call, () => answer(status)),
      newCall(kit.clock, parts).identified(id, '', '', ''),
    );
};

const ids = Array.from({ length: 20_000 }, (_, at) => `5f0c7a9e-${at.toString(16).padStart(8, '0')}`);
const failed: Status = { code: Code.NOT_FOUND, message: 'password=hunter2', from: 'peer', reached: true };

describe('lines about calls', () => {
  it('are left by each failed call, with what the mesh knows and nothing of what was said', async () => {
    const { kit, lines } = noting();
    await serve(kit, 0, ['id-1'], failed, 'outbound', { metadata: ['authorization', 'Bearer secret'] });
    expect(lines).toEqual([
      {
        event: 'call',
        id: 'id-1',
        direction: 'outbound',
        service: 'inventory',
        method: '/shop.Inventory/Get',
        at: undefined,
        code: 'NOT_FOUND',
        from: 'peer',
        reached: true,
        ms: 0,
        requestBytes: 0,
        responseBytes: 0,
        why: undefined,
      },
    ]);
  });

  it('say why where the mesh decided, in no more than 300 characters', async () => {
    const { kit, lines } = noting();
    await serve(kit, 0, ['id-1'], refused(Code.PERMISSION_DENIED, 'x'.repeat(1000)), 'inbound');
    expect(lines[0]!['why']).toBe('x'.repeat(300));
  });

  it('are left by the share of the others that is set', async () => {
    const { kit, lines } = noting();
    for (let at = 0; at < ids.length; at += 1000) {
      await serve(kit, 0.01, ids.slice(at, at + 1000));
      kit.pass(1000);
    }
    expect(lines.length).toBeGreaterThan(140);
    expect(lines.length).toBeLessThan(260);
  });

  it('are left on both sides of a call or on neither, and a smaller share is part of a larger', async () => {
    const told = async (direction: 'inbound' | 'outbound', share: number) => {
      const { kit, lines } = noting();
      await serve(kit, share, ids.slice(0, 5000), ok, direction);
      return lines.map(({ id }) => id);
    };
    const caller = await told('outbound', 0.05);
    expect(caller.length).toBeGreaterThan(180);
    expect(await told('inbound', 0.05)).toEqual(caller);
    const fewer = await told('inbound', 0.01);
    expect(fewer.filter((id) => !caller.includes(id))).toEqual([]);
    expect(fewer.length).toBeGreaterThan(25);
  });

  it('are left by all or none at the ends of the range', () => {
    expect(ids.every((id) => isSampled(id, 1))).toBe(true);
    expect(ids.some((id) => isSampled(id, 0))).toBe(false);
  });

  it('are 1,000 in a second at most; the others are counted', async () => {
    const { kit, lines } = noting();
    const filter = observe(kit, 'outbound', { access: 0.01 });
    const storm = async (calls: number) => {
      for (let at = 0; at < calls; at++)
        await run(
          (call) => filter(call, () => answer(failed)),
          newCall(kit.clock).identified(`i${at}`, '', '', ''),
        );
    };
    await storm(1500);
    expect(lines).toHaveLength(1000);
    expect(kit.meter.count('outrigger_access_lines_dropped_total', 'outbound').value).toBe(500);
    kit.pass(1000);
    await storm(10);
    expect(lines).toHaveLength(1010);
  });

  it('are not left where they are switched off, or where the log does not want them', async () => {
    const off = noting();
    await serve(off.kit, null, ['id-1'], failed);
    expect(off.lines).toEqual([]);
    const quiet = noting('warn');
    await serve(quiet.kit, 1, ['id-1'], failed);
    expect(quiet.lines).toEqual([]);
    // Control: the same call at info.
    const told = noting('info');
    await serve(told.kit, 1, ['id-1'], failed);
    expect(told.lines).toHaveLength(1);
  });

  it('follow a level that changes between two calls', async () => {
    const { kit, lines } = noting('error');
    const filter = observe(kit, 'outbound', { access: 1 });
    for (const level of ['error', 'info', 'error'] as const) {
      kit.log.level = level;
      await run((call) => filter(call, () => answer()), newCall(kit.clock).identified(level, '', '', ''));
    }
    expect(lines.map(({ id }) => id)).toEqual(['info']);
  });
});

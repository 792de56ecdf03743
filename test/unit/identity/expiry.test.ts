import { describe, expect, it } from 'vitest';
import { Cell } from '../../../sidecar/core/cell.ts';
import type { Identity } from '../../../sidecar/core/identity.ts';
import type { Kit } from '../../../sidecar/core/kit.ts';
import { watchExpiry } from '../../../sidecar/identity/expiry.ts';
import { stillKit } from '../../support/kit.ts';

const hour = 3_600_000;

const start = (lifeMs: number, isDue?: () => boolean) => {
  const still = stillKit();
  const said: string[] = [];
  const note = (_: unknown, event: string): void => void said.push(event);
  const kit: Kit = { ...still, log: { debug: note, info: note, warn: note, error: note } };
  const from = still.clock.wall();
  const identity: Identity = {
    certificate: '',
    key: '',
    roots: [],
    spiffe: 'spiffe://td/orders',
    validFrom: from,
    validTo: from + lifeMs,
  };
  const cell = new Cell<Identity | null>(identity);
  const stop = watchExpiry(cell, kit, isDue);
  const gauge = (): number => {
    kit.meter.read();
    return kit.meter.count('outrigger_certificate_expiry_seconds').value;
  };
  const alarm = (): string | null =>
    ['early', 'late', 'urgent', 'expired'].find(
      (each) => kit.meter.count('outrigger_certificate_alarm', each).value === 1,
    ) ?? null;
  return { kit: still, said, cell, identity, stop, gauge, alarm };
};

describe('expiry', () => {
  it('shows the seconds that are left', () => {
    const { kit, gauge, stop } = start(hour);
    expect(gauge()).toBe(3600);
    kit.pass(60_000);
    expect(gauge()).toBe(3540);
    stop();
  });

  it('warns once below a third of the life, once below a tenth, and once when it is over', () => {
    const { kit, said, alarm, stop } = start(hour);
    kit.pass(39 * 60_000);
    expect([said, alarm()]).toEqual([[], null]);
    kit.pass(2 * 60_000);
    expect(said).toEqual([
      expect.stringContaining('less than a third of its life is left and it was not renewed'),
    ]);
    expect(alarm()).toBe('late');
    kit.pass(12 * 60_000);
    expect(said.length).toBe(1);
    kit.pass(2 * 60_000);
    expect(said[1]).toContain('less than a tenth of its life is left');
    expect(alarm()).toBe('urgent');
    kit.pass(20 * 60_000);
    expect(said[2]).toContain('our certificate expired at ');
    expect([said.length, alarm()]).toEqual([3, 'expired']);
    stop();
  });

  it('is not late at a third where the issuer may still renew it, but is urgent at a tenth', () => {
    const due = { now: false };
    const { kit, alarm, stop } = start(hour, () => due.now);
    kit.pass(50 * 60_000);
    expect(alarm()).toBeNull();
    due.now = true;
    kit.pass(60_000);
    expect(alarm()).toBe('late');
    due.now = false;
    kit.pass(4 * 60_000);
    expect(alarm()).toBe('urgent');
    stop();
  });

  it('says that the clock is behind when the certificate has not begun', () => {
    const { kit, said, alarm, cell, identity, stop } = start(hour);
    cell.set({ ...identity, validFrom: kit.clock.wall() + 60_000 });
    expect(said).toEqual([expect.stringContaining('the clock of this machine is behind, set it')]);
    expect(alarm()).toBe('early');
    kit.pass(70_000);
    expect(alarm()).toBeNull();
    stop();
  });

  it('is quiet when the certificate is renewed in time', () => {
    const { kit, said, cell, identity, stop } = start(hour);
    kit.pass(39 * 60_000);
    cell.set({ ...identity, validFrom: kit.clock.wall(), validTo: kit.clock.wall() + hour });
    kit.pass(30 * 60_000);
    expect(said).toEqual([]);
    stop();
    expect(kit.wheel.size).toBe(0);
  });
});

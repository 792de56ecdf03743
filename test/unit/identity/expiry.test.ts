import { describe, expect, it } from 'vitest';
import { Cell } from '../../../sidecar/core/cell.ts';
import type { Identity } from '../../../sidecar/core/identity.ts';
import type { Kit } from '../../../sidecar/core/kit.ts';
import { watchExpiry } from '../../../sidecar/identity/expiry.ts';
import { stillKit } from '../../support/kit.ts';

const hour = 3_600_000;

const start = (lifeMs: number) => {
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
  const stop = watchExpiry(cell, kit);
  const gauge = (): number => {
    kit.meter.read();
    return kit.meter.count('outrigger_certificate_expiry_seconds').value;
  };
  return { kit: still, said, cell, identity, stop, gauge };
};

describe('expiry', () => {
  it('shows the seconds that are left', () => {
    const { kit, gauge, stop } = start(hour);
    expect(gauge()).toBe(3600);
    kit.pass(60_000);
    expect(gauge()).toBe(3540);
    stop();
  });

  it('warns below a third of the life, again after ten minutes, and says when it is over', () => {
    const { kit, said, stop } = start(hour);
    kit.pass(39 * 60_000);
    expect(said).toEqual([]);
    kit.pass(2 * 60_000);
    expect(said).toEqual(['our certificate has less than a third of its life left and was not renewed']);
    kit.pass(10 * 60_000);
    expect(said.length).toBe(2);
    kit.pass(11 * 60_000);
    expect(said.at(-1)).toBe('our certificate has expired; peers refuse us');
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

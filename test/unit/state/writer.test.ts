import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Writer } from '../../../sidecar/state/writer.ts';
import { breathe, drive } from '../../support/drive.ts';
import { stillKit } from '../../support/kit.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'outrigger-writer-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const start = (folder = directory) => {
  const kit = stillKit();
  const path = join(folder, 'orders.mesh.json');
  const now: { body: string | null } = { body: 'one' };
  const head = { part: 'mesh', service: 'orders', agent: 'http://consul' };
  const writer = new Writer({ path, head, kit, body: () => now.body });
  const writes = (outcome: string): number =>
    kit.meter.count('outrigger_state_writes_total', 'mesh', outcome).value;
  const written = async (): Promise<string> => (await readFile(path, 'utf8')).split('\n')[1]!;
  return { kit, writer, now, writes, written };
};

describe('a writer of state', () => {
  it('writes soon after a change, four times, and then only every five seconds, however much changes', async () => {
    const { kit, writer, now, writes, written } = start();
    for (const turn of [1, 2, 3, 4]) {
      now.body = `turn ${turn}`;
      writer.changed();
      kit.pass(250);
      // Time stands still while the disk works.
      while (writes('ok') < turn) await breathe(1);
    }
    now.body = 'two';
    writer.changed();
    kit.pass(3900);
    now.body = 'three';
    writer.changed();
    await drive(kit, 'the fifth write', () => writes('ok') === 5);
    // It began at 1000, and gathered for 250 ms before the first.
    expect(kit.clock.now()).toBeGreaterThanOrEqual(6250);
    expect(await written()).toBe('three');
    await writer.close();
  });

  it('writes at the end what is not written yet, and nothing that is', async () => {
    const { kit, writer, now, writes, written } = start();
    writer.changed();
    await drive(kit, 'the first write', () => writes('ok') === 1);
    now.body = 'last';
    await writer.close();
    expect(await written()).toBe('last');
    await writer.close();
    expect(writes('ok')).toBe(2);
    expect(kit.wheel.size).toBe(0);
    expect(await readdir(directory)).toEqual(['orders.mesh.json']);
  });

  it('leaves alone what may not be kept now', async () => {
    const { writer, now } = start();
    now.body = null;
    writer.changed();
    await writer.close();
    expect(await readdir(directory)).toEqual([]);
  });

  it('counts what cannot be written, and tries again a minute later', async () => {
    const { kit, writer, writes } = start(join(directory, 'missing'));
    writer.changed();
    await drive(kit, 'a failure', () => writes('failed') === 1);
    kit.pass(59_000);
    expect(writes('failed')).toBe(1);
    await drive(kit, 'another', () => writes('failed') === 2);
    await writer.close();
  });

  it('keeps the one before when the new one is longer than 16 MiB', async () => {
    const { kit, writer, now, writes, written } = start();
    writer.changed();
    await drive(kit, 'the first write', () => writes('ok') === 1);
    now.body = 'x'.repeat(16 * 1024 * 1024);
    await writer.close();
    expect([writes('failed'), await written()]).toEqual([1, 'one']);
  });
});

import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sweepState, writeState } from '../../../sidecar/state/file.ts';
import { openState } from '../../../sidecar/state/state.ts';
import { stillKit } from '../../support/kit.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'outrigger-state-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const head = { part: 'mesh', service: 'orders', agent: 'http://consul' };

describe('a state that is half written', () => {
  it('is taken away when who wrote it was killed, and not while it is being written', async () => {
    const kit = Object.assign(stillKit(), { clock: { now: () => 0, wall: () => Date.now() } });
    const names = ['orders.identity.json.17.new', 'orders.mesh.json.18.new', 'notes.new'];
    for (const name of names) await writeFile(join(directory, name), 'half a key');
    const longAgo = Date.now() / 1000 - 120;
    for (const name of [names[0]!, names[2]!]) await utimes(join(directory, name), longAgo, longAgo);
    const state = await openState({
      ...{ stateDir: { path: directory }, service: 'orders', agent: 'http://consul', env: {} },
      ...{ keepsIdentity: true, kit },
    });
    await state.close();
    expect(await readdir(directory)).toEqual(['notes.new', 'orders.mesh.json.18.new']);
  });

  it('is no reason not to start where the directory cannot be looked into', async () => {
    await sweepState(join(directory, 'nowhere'), Date.now());
  });

  it('does not stay where it cannot take its place', async () => {
    await mkdir(join(directory, 'mesh.json'));
    await expect(writeState(join(directory, 'mesh.json'), head, '{}', 0)).rejects.toThrow('EISDIR');
    expect(await readdir(directory)).toEqual(['mesh.json']);
  });
});

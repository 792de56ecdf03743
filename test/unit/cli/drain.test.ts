import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { drain } from '../../../sidecar/cli/drain.ts';
import { type Control, startControl } from '../../../sidecar/control/control.ts';
import { silent } from '../../../sidecar/core/log.ts';
import { readSettings } from '../../../sidecar/settings/load.ts';
import { stillKit } from '../../support/kit.ts';
import { scriptedView } from '../../support/scripted-view.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-drain-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'own/control.sock');
const open: Control[] = [];
afterEach(() => Promise.all(open.splice(0).map((control) => control.close())));

const start = async (work: () => Promise<void>): Promise<void> => {
  const { limits } = readSettings('service: { name: orders }', 'test.yaml', '/').settings;
  const view = scriptedView({ drain: work });
  open.push(await startControl({ path, log: silent, meter: stillKit().meter, limits, view }));
};

describe('outrigger drain', () => {
  it.each([path, `unix:${path}`])('asks the sidecar at %s and waits until it is drained', async (control) => {
    const steps: string[] = [];
    await start(async () => void steps.push('drained'));
    expect(await drain({ control, timeoutMs: 5000 })).toBe(0);
    expect(steps).toEqual(['drained']);
  });

  it('says that nobody is there, and what to write instead', async () => {
    await expect(drain({ control: join(folder, 'nobody.sock'), timeoutMs: 5000 })).rejects.toThrow(
      `no sidecar answers at ${join(folder, 'nobody.sock')}: give the path that listen.control of its settings names`,
    );
  });

  it('says that calls are still in flight when the time is over', async () => {
    await start(() => new Promise(() => {}));
    await expect(drain({ control: path, timeoutMs: 100 })).rejects.toThrow(
      'calls were still in flight when the time was over: the sidecar drains on',
    );
  });

  it('passes on why it could not', async () => {
    await start(() => Promise.reject(new Error('no way')));
    await expect(drain({ control: path, timeoutMs: 5000 })).rejects.toThrow(
      'the sidecar did not drain: no way',
    );
  });
});

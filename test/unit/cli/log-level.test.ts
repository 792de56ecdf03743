import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { drain } from '../../../sidecar/cli/drain.ts';
import { logLevel } from '../../../sidecar/cli/log-level.ts';
import { type Control, startControl } from '../../../sidecar/control/control.ts';
import type { LogLevel } from '../../../sidecar/core/log.ts';
import { silent } from '../../../sidecar/core/log.ts';
import { Meter } from '../../../sidecar/core/meter.ts';
import { metrics } from '../../../sidecar/telemetry/metrics.ts';
import { scriptedView } from '../../support/scripted-view.ts';

let folder: string;
let control: Control | null = null;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outrigger-level-'));
});
afterEach(async () => {
  await control?.close();
  control = null;
  rmSync(folder, { recursive: true });
});

const start = async (parts: Parameters<typeof scriptedView>[0]): Promise<string> => {
  const path = join(folder, 'a.sock');
  const limits = { 'control-connections': 4 };
  control = await startControl({
    path,
    log: silent,
    meter: new Meter(metrics),
    limits,
    view: scriptedView(parts),
  });
  return path;
};

describe('outrigger log-level', () => {
  it('sets the level of a running sidecar, and says what it was before', async () => {
    const said: string[] = [];
    let level: LogLevel = 'warn';
    const path = await start({ logLevel: () => level, setLogLevel: (to) => void (level = to) });
    for (const to of ['debug', 'info'] as const)
      expect(await logLevel({ level: to, control: `unix:${path}` }, (line) => void said.push(line))).toBe(0);
    expect([level, said]).toEqual(['info', ['warn -> debug', 'debug -> info']]);
  });

  it('says where nobody answers, as drain does', async () => {
    const path = join(folder, 'none.sock');
    const why = `no sidecar answers at ${path}: give the path that listen.control of its settings names`;
    await expect(logLevel({ level: 'info', control: path }, () => {})).rejects.toThrow(why);
    await expect(drain({ control: path, timeoutMs: 1000 })).rejects.toThrow(why);
  });

  it('passes on why it could not be set', async () => {
    const path = await start({ logLevel: () => null });
    await expect(logLevel({ level: 'info', control: path }, () => {})).rejects.toThrow(
      'this sidecar was given a log whose level cannot be set',
    );
  });
});

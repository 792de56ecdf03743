import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { sidecar } from '../../../sidecar/cli/sidecar.ts';
import type { StartedSidecar, Surroundings } from '../../../sidecar/cli/started.ts';
import type { Log } from '../../../sidecar/core/log.ts';
import { loadSettings } from '../../../sidecar/settings/load.ts';
import type { Settings } from '../../../sidecar/settings/settings.ts';
import { startedAt } from '../../support/run-stage.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-sidecar-'));
const config = join(folder, 'mesh.yaml');
writeFileSync(config, 'service: { name: orders, port: 50051 }');
afterAll(() => rmSync(folder, { recursive: true }));

const stage = (parts: Partial<StartedSidecar> = {}) => {
  const signals = new EventEmitter();
  const steps: string[] = [];
  const note = (_fields: object, event: string): void => void steps.push(event);
  const log: Log = { debug: note, info: note, warn: note, error: note };
  let file: { path: string } | undefined;
  let settings: Settings;
  const around: Surroundings = {
    start: async (given, options) => {
      settings = given;
      file = options.file;
      return startedAt(
        { app: '127.0.0.1:15001', peers: '0.0.0.0:15002', admin: '127.0.0.1:15000' },
        steps,
        parts,
      );
    },
    load: async (origin) => loadSettings(origin),
    openLog: () => log,
    signals,
    say: () => void steps.push('ports'),
    patienceMs: 5,
    terminal: false,
  };
  return { around, signals, steps, file: () => file, settings: () => settings };
};

describe('outrigger sidecar', () => {
  it('drains at the first SIGTERM, then ends with 0', async () => {
    const { around, signals, steps, file } = stage();
    const ended = sidecar({ config }, around);
    signals.emit('SIGTERM', 'SIGTERM');
    expect(await ended).toBe(0);
    expect(steps).toEqual(['ports', 'asked to end', 'drain', 'app gone', 'close', 'ended']);
    expect(file()?.path).toBe(config);
    expect(signals.eventNames()).toEqual([]);
  });

  it('writes more lines after SIGUSR2, and the usual ones after another', async () => {
    const { around, signals, steps } = stage();
    const log: Log = { ...around.openLog({} as never), level: 'warn' };
    const ended = sidecar({ config }, { ...around, openLog: () => log });
    while (signals.listenerCount('SIGUSR2') === 0) await new Promise((resolve) => setImmediate(resolve));
    signals.emit('SIGUSR2', 'SIGUSR2');
    expect(log.level).toBe('debug');
    signals.emit('SIGUSR2', 'SIGUSR2');
    expect(log.level).toBe('warn');
    signals.emit('SIGTERM', 'SIGTERM');
    expect(await ended).toBe(0);
    expect(steps).toContain('log level set by SIGUSR2');
    expect(signals.eventNames()).toEqual([]);
  });

  it('ends at once at the second', async () => {
    const { around, signals, steps } = stage({ drain: () => new Promise(() => {}) });
    const ended = sidecar({ config }, around);
    signals.emit('SIGTERM', 'SIGTERM');
    signals.emit('SIGTERM', 'SIGTERM');
    expect(await ended).toBe(143);
    expect(steps).not.toContain('close');
    expect(signals.eventNames()).toEqual([]);
  });

  it('says why when it was drained before it was ready, and waits to be asked to end', async () => {
    const never = Promise.reject(
      new Error('the sidecar was stopped before it was ready: no certificate yet'),
    );
    const { around, signals, steps } = stage({ ready: never });
    const ended = sidecar({ config }, around);
    while (!steps.includes('it will not become ready')) await new Promise((resolve) => setImmediate(resolve));
    expect(steps).toEqual(['ports', 'it will not become ready']);
    signals.emit('SIGTERM', 'SIGTERM');
    expect(await ended).toBe(0);
    expect(steps.slice(2)).toEqual(['asked to end', 'drain', 'app gone', 'close', 'ended']);
  });

  it('says so when it is not ready, and goes on', async () => {
    const { around, signals, steps } = stage({ ready: new Promise(() => {}) });
    const ended = sidecar({ config }, around);
    while (!steps.includes('not ready yet')) await new Promise((resolve) => setImmediate(resolve));
    signals.emit('SIGTERM', 'SIGTERM');
    expect(await ended).toBe(0);
  });

  it('takes from the command line what a host learns only when it runs', async () => {
    const { around, signals, settings } = stage();
    const words = { config, consul: 'http://10.0.0.1:8500', tokenFile: '/run/token', advertise: '10.1.2.3' };
    const ended = sidecar(words, around);
    await new Promise((resolve) => setImmediate(resolve));
    signals.emit('SIGTERM', 'SIGTERM');
    expect(await ended).toBe(0);
    expect(settings()).toMatchObject({
      advertise: { host: '10.1.2.3', port: null },
      discovery: { url: 'http://10.0.0.1:8500', tokenFile: '/run/token' },
    });
  });
});

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { deployed, settingsIn } from '../../support/deploy.ts';

const settings = settingsIn(deployed('systemd/orders.yaml'), 'orders.yaml');
const unit = deployed('systemd/outrigger@.service');
const app = deployed('systemd/orders.service');

const folder = mkdtempSync(join(tmpdir(), 'outrigger-units-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The version of systemd on PATH, when it can look at units without running; null when not. */
const version = Number(
  /systemd (\d+)/.exec(spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1] ??
    0,
);
const able = version >= 250;
const skipped = able ? '' : ' (skipped: systemd-analyze 250 or later is not on PATH)';

/** Words of a unit, by key. */
const valuesOf = (text: string, key: string): string[] =>
  [...text.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value!);

const analyze = (...words: string[]): string => {
  const { stdout, stderr } = spawnSync('systemd-analyze', words, {
    encoding: 'utf8',
    env: { ...process.env, SYSTEMD_COLORS: '0' },
  });
  return stdout + stderr;
};
/** Where the unit would lie, with commands that are there: verify looks for them. */
const install = (name: string, text: string): string => {
  const file = join(folder, name);
  writeFileSync(file, text.replaceAll(/\/usr\/local\/bin\/(outrigger|orders)/g, process.execPath));
  return file;
};

describe('deploy/systemd', () => {
  it.skipIf(!able)(
    `has units that systemd understands, and would tell of a key that it does not (control)${skipped}`,
    () => {
      const files = [install('outrigger@orders.service', unit), install('orders.service', app)];
      // Units of this host may have faults of their own.
      const told = (output: string): string[] => output.split('\n').filter((line) => line.includes(folder));
      expect(told(analyze('verify', '--man=no', ...files))).toEqual([]);
      const wrong = install('outrigger@wrong.service', unit.replace('ProtectSystem', 'ProtectTheSystem'));
      expect(told(analyze('verify', '--man=no', wrong)).join()).toContain('ProtectTheSystem');
    },
  );

  it.skipIf(!able)(
    `leaves the sidecar next to nothing to do harm with: exposure below 2.0 of 10${skipped}`,
    () => {
      const file = install('outrigger@orders.service', unit);
      const [, exposure] =
        /Overall exposure level for [^:]+: ([\d.]+)/.exec(
          analyze('security', '--offline=true', '--no-pager', file),
        ) ?? [];
      expect(Number(exposure)).toBeLessThan(2);
    },
  );

  it('gives a drain its time', () => {
    const { notice, calls, app: leave } = settings.drain;
    expect(Number(valuesOf(unit, 'TimeoutStopSec')[0])).toBeGreaterThan((notice + calls + leave) / 1000 + 10);
  });

  it('has places for what the sidecar writes, and reads the token where systemd puts it', () => {
    const [runtime] = valuesOf(unit, 'RuntimeDirectory');
    const control = (settings.listen.control as { path: string }).path;
    expect(control).toBe(`/run/${runtime!.replace('%i', 'orders')}/control.sock`);
    expect(valuesOf(app, 'ExecStop')[0]).toContain(`drain --control ${control}`);
    const [credential] = valuesOf(unit, 'LoadCredential');
    expect(valuesOf(unit, 'Environment')).toContain(`CONSUL_HTTP_TOKEN_FILE=%d/${credential!.split(':')[0]}`);
    expect(settings.stateDir).toBe('default');
    expect(valuesOf(unit, 'StateDirectory')).toEqual(['outrigger-%i']);
  });

  it('tells the app where its sidecar is', () => {
    const { host, port } = settings.listen.app as { host: string; port: number };
    expect(valuesOf(app, 'Environment')).toEqual([
      `OUTRIGGER_APP=${host}:${port}`,
      'OUTRIGGER_SERVICE=orders',
      'PORT=50051',
    ]);
    expect(settings.service).toMatchObject({ name: 'orders', app: { port: 50051 } });
  });
});

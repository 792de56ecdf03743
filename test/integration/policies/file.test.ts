import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { startSidecar } from '../../../sidecar/index.ts';
import { loadSettings } from '../../../sidecar/settings/load.ts';
import { startEcho } from '../../support/echo.ts';
import { EchoClient } from '../../support/echo-client.ts';
import { sumOf } from '../../support/sidecars.ts';

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** A sidecar that runs from a file, and how the file is written again. */
const start = async (policies: string) => {
  const directory = await mkdtemp(join(tmpdir(), 'policies-'));
  open.push(() => rm(directory, { recursive: true }));
  const app = await startEcho();
  open.push(() => app.close());
  const path = join(directory, 'mesh.yaml');
  const write = (words: string) =>
    writeFile(
      path,
      `
listen: { app: 127.0.0.1:0, admin: 127.0.0.1:0, control: none }
discovery: { static: { services: { echo: [127.0.0.1:${app.port}] } } }
identity: none
${words}
`,
    );
  await write(policies);
  const load = async () => loadSettings({ file: path }).settings;
  const sidecar = await startSidecar(await load(), { file: { path, load } });
  open.push(() => sidecar.close());
  await sidecar.ready;
  const client = new EchoClient(sidecar.ports.app, { 'grpc.default_authority': 'echo' });
  open.push(() => client.close());
  const timeLeft = async (): Promise<number> => {
    const { code, answer } = await client.call('Timeout');
    expect(code).toBe(0);
    return Number(String(answer));
  };
  return { sidecar, write, timeLeft };
};

describe('policies in the settings file', () => {
  it('hold from the start, and change with the file while calls go on', async () => {
    const { sidecar, write, timeLeft } = await start('policies: { echo: { timeout: 5s } }');
    const first = await timeLeft();
    expect([first > 4000, first <= 5000]).toEqual([true, true]);
    await write("policies: { '*': { timeout: 2s } }");
    const begun = performance.now();
    while ((await timeLeft()) > 2000) {
      expect(performance.now() - begun).toBeLessThan(5000);
      await pause(10);
    }
    const { any, services } = sidecar.snapshot().policies;
    expect(any.all.origins).toEqual({ timeout: 'file policies.*' });
    expect(services.size).toBe(0);
    await write("policies: { '*': { timeout: soon } }"); // a file that cannot be used changes nothing
    while (sumOf(sidecar, 'outrigger_slices_refused_total', 'origin="static"') === 0) await pause(10);
    expect(await timeLeft()).toBeLessThanOrEqual(2000);
  }, 30_000);

  it('control: without one a call has all the time', async () => {
    const { timeLeft } = await start('');
    expect(await timeLeft()).toBe(Number.POSITIVE_INFINITY);
  }, 30_000);
});

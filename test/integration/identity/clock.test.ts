import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type Authority,
  createAuthority,
  type LeafRequest,
} from '../../../sidecar/identity/development-ca.ts';
import { outrigger } from '../../support/command.ts';
import { startEcho } from '../../support/echo.ts';
import type { EchoClient } from '../../support/echo-client.ts';
import { faketime, leaping, skewed } from '../../support/faketime.ts';
import { type SettingsWords, type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';
import { steadily } from '../../support/steady-load.ts';

const library = faketime();
if (library === null)
  console.log('libfaketime is not here (LIBFAKETIME names it): clocks that differ are skipped');

const running: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of running.splice(0).reverse()) await stop();
});

const hourMs = 3600_000;
const pause = (ms: number): Promise<void> => new Promise((next) => setTimeout(next, ms));

interface Skewed {
  readonly mesh: TwoSidecars;
  /** Settings of a caller that knows where it is. */
  readonly words: SettingsWords;
  /** Of such a caller's app. */
  readonly client: EchoClient;
  /** What the sidecar of the skewed clock says of itself. */
  ready(): Promise<{ ready: boolean; warnings?: string[] }>;
}

/** A callee in a process whose clock is off, and callers whose clock is right; `leaf` is the callee's. */
const start = async (env: NodeJS.ProcessEnv, leaf: LeafRequest = {}, from?: Authority): Promise<Skewed> => {
  const mesh = await twoSidecars();
  running.push(() => mesh.close());
  const app = await startEcho();
  running.push(() => app.close());
  const settings = {
    service: { name: 'skewed', port: app.port },
    listen: { app: '127.0.0.1:0', admin: '127.0.0.1:0', peers: '127.0.0.1:0', control: 'none' },
    discovery: { static: { services: {} } },
    identity: { files: await mesh.certificates.write('skewed', { service: 'skewed', ...leaf }, from) },
  };
  const file = join(mesh.certificates.directory, 'skewed.yaml');
  await writeFile(file, JSON.stringify(settings));
  const command = outrigger(['sidecar', '--config', file], env);
  running.push(async () => {
    command.process.kill('SIGKILL');
    await command.ended;
  });
  const { peers, admin } = JSON.parse((await command.says(/\{"event":"listening".*\}/))[0]) as Record<
    string,
    string
  >;
  const words = { discovery: { static: { services: { skewed: [peers] } } } };
  const caller = await mesh.addCaller('orders', words);
  running.push(() => caller.close());
  return {
    mesh,
    words,
    client: mesh.connect('skewed', { target: caller.ports.app }),
    ready: async () => (await fetch(`http://${admin}/ready`)).json() as Promise<{ ready: boolean }>,
  };
};

describe.skipIf(library === null)('a sidecar whose clock is wrong', () => {
  it('by an hour ahead: calls go on, and no deadline ends early', async () => {
    const { client } = await start(skewed(library!, '+1h'));
    for (let at = 0; at < 20; at++) {
      const { code, answer } = await client.call('Timeout', '', { deadlineMs: 1000 });
      expect(code).toBe(grpc.status.OK);
      expect(Number(String(answer))).toBeGreaterThan(500);
    }
  });

  it('by an hour behind: believes certificates that are older than that, and no younger ones', async () => {
    const elder = await createAuthority({ wall: () => Date.now() - 2 * hourMs });
    const { mesh, words } = await start(skewed(library!, '-1h'), {}, elder);
    const call = async (name: string, notBefore: number): Promise<grpc.status> => {
      const leaf = { service: name, notBefore, notAfter: Date.now() + hourMs };
      const { ports } = await mesh.addCaller(name, words, await mesh.certificates.write(name, leaf, elder));
      return (await mesh.connect('skewed', { target: ports.app }).call('Unary', 'm')).code;
    };
    expect(await call('elder', Date.now() - 2 * hourMs)).toBe(grpc.status.OK);
    // Of a minute ago, as Consul dates them: to it this one begins in an hour.
    expect(await call('younger', Date.now() - 60_000)).toBe(grpc.status.UNAVAILABLE);
  });

  it('by an hour behind: says so when its own certificate has not begun', async () => {
    const { ready } = await start(skewed(library!, '-1h'));
    expect((await ready()).warnings).toEqual([
      expect.stringContaining('the clock of this machine is behind, set it'),
    ]);
  });

  it('that leaps five minutes while it runs: no call fails, early or late', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'outrigger-clock-'));
    running.push(() => rm(directory, { recursive: true, force: true }));
    const file = join(directory, 'faketime');
    await writeFile(file, '+0\n');
    const { client } = await start(leaping(library!, file));
    const load = steadily(client);
    for (const words of ['+5m', '-5m', '+0']) {
      await pause(500);
      await writeFile(file, `${words}\n`);
    }
    await pause(500);
    await load.stop();
    expect(load.complaints).toEqual([]);
    expect(load.codes.length).toBeGreaterThan(20);
  });
});

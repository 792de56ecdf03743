import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { startCommand } from '../../support/command.ts';
import { developmentAgents } from '../../support/development-agent.ts';
import { type EchoApp, startEcho } from '../../support/echo.ts';
import { EchoClient } from '../../support/echo-client.ts';
import { eventually } from '../../support/eventually.ts';
import { root } from '../../support/sources.ts';
import { steadily } from '../../support/steady-load.ts';

// Each story starts several processes.
vi.setConfig({ testTimeout: 60_000 });

// Every release that is kept in test/skew speaks with the sidecar as it is now, both ways. See CONTRIBUTING.md.
const kept = readdirSync(join(root, 'test/skew')).filter((name) => name.endsWith('.tgz'));

const folder = mkdtempSync(join(tmpdir(), 'outrigger-skew-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
const startAgent = developmentAgents();

/** The arguments after `node` that run the command of a release, or of now. */
type Release = readonly string[];
const now: Release = ['--import', 'tsx', join(root, 'sidecar/cli/main.ts')];

/** Unpacks a release; the libraries that it imports are those of the project. */
const unpack = (name: string): Release => {
  const place = join(folder, name);
  const made = spawnSync('mkdir', ['-p', place]);
  const unpacked = spawnSync('tar', ['-xzf', join(root, 'test/skew', name), '-C', place], {
    encoding: 'utf8',
  });
  if (made.status !== 0 || unpacked.status !== 0) throw new Error(`${name}: ${unpacked.stderr}`);
  symlinkSync(join(root, 'node_modules'), join(place, 'node_modules'));
  return [join(place, 'package/dist/sidecar/cli/main.js')];
};

interface Member {
  readonly app: string;
  readonly admin: string;
  readonly stop: (signal: NodeJS.Signals) => Promise<void>;
}

/** A sidecar of `release` beside an app, in a process of its own; ready when it resolves. */
const start = async (release: Release, consul: string, service: object): Promise<Member> => {
  const file = join(folder, `${Math.random()}.yaml`);
  writeFileSync(
    file,
    JSON.stringify({
      service,
      listen: {
        app: '127.0.0.1:0',
        admin: '127.0.0.1:0',
        control: 'none',
        ...('port' in service && { peers: '127.0.0.1:0' }),
      },
      discovery: { consul: { url: consul } },
    }),
  );
  const command = startCommand([...release, 'sidecar', '--config', file]);
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    command.process.kill(signal);
    await command.ended;
  };
  ends.push(() => stop('SIGKILL'));
  const { app, admin } = JSON.parse((await command.says(/\{"event":"listening".*\}/))[0]);
  await eventually(async () => (await fetch(`http://${admin}/ready`)).ok, 'a ready sidecar');
  return { app, admin, stop };
};

const clientOf = ({ app }: Member): EchoClient => {
  const client = new EchoClient(app, { 'grpc.default_authority': 'echo' });
  ends.push(() => client.close());
  return client;
};
const startApp = async (): Promise<EchoApp> => {
  const app = await startEcho();
  ends.push(() => app.close());
  return app;
};

it('a release is kept', () => {
  expect(kept).toContain('outrigger-0.1.0.tgz');
});

describe.each(kept)('%s and now', (name) => {
  let old: Release;
  beforeAll(() => {
    old = unpack(name);
  });

  describe.each(['the old one calls', 'the new one calls'])('%s', (direction) => {
    const sides = (): { caller: Release; callee: Release } =>
      direction === 'the old one calls' ? { caller: old, callee: now } : { caller: now, callee: old };

    it('what a call carries arrives, and who calls is known', async () => {
      const { agent, api } = await startAgent();
      const echo = await startApp();
      await start(sides().callee, agent.url, { name: 'echo', port: echo.port });
      const web = await start(sides().caller, agent.url, { name: 'web' });
      const client = clientOf(web);
      const words = {
        metadata: [['x-request-id', 'skew-1'] as const, ['baggage', 'ff.express=on'] as const],
        deadlineMs: 3000,
      };
      expect(await client.call('Unary', 'hello', words)).toMatchObject({
        code: status.OK,
        answer: Buffer.from('hello'),
      });
      const seen = echo.seen.at(-1)!;
      expect(seen.metadata.get('x-request-id')).toEqual(['skew-1']);
      expect(seen.metadata.get('x-outrigger-caller')).toEqual(['web']);
      expect(seen.metadata.get('baggage').join()).toContain('ff.express=on');
      expect(seen.leftMs).toBeGreaterThan(1000);
      expect(seen.leftMs).toBeLessThan(3000);
      const large = Buffer.alloc(300_000, 'a');
      expect((await client.call('Unary', large)).answer?.equals(large)).toBe(true);

      const intention = { SourceName: 'web', DestinationName: 'echo', Action: 'deny' };
      await api.put('/v1/connect/intentions/exact?source=web&destination=echo', intention);
      await eventually(
        async () => (await client.call('Unary', 'x')).code === status.PERMISSION_DENIED,
        'a refusal',
      );
    });

    it('a callee that leaves takes no call along: its refusals are believed, its goodbye is heard', async () => {
      const { agent } = await startAgent();
      const [first, second] = [await startApp(), await startApp()];
      const leaving = await start(sides().callee, agent.url, { name: 'echo', port: first.port });
      await start(sides().callee, agent.url, { name: 'echo', port: second.port });
      const web = await start(sides().caller, agent.url, { name: 'web' });
      const load = steadily(clientOf(web));
      await eventually(() => first.seen.length > 20 && second.seen.length > 20, 'calls at both');
      await leaving.stop('SIGTERM');
      const had = second.seen.length;
      await eventually(() => second.seen.length > had + 20, 'calls at the other');
      await load.stop();
      expect(load.complaints).toEqual([]);
    });
  });
});

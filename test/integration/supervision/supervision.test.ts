import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, expect, it, vi } from 'vitest';
import { type Sidecar, startSidecar } from '../../../sidecar/index.ts';
import { readSettings } from '../../../sidecar/settings/load.ts';
import { type Command, outrigger } from '../../support/command.ts';
import { developmentAgents } from '../../support/development-agent.ts';
import { type EchoApp, startEcho } from '../../support/echo.ts';
import { EchoClient } from '../../support/echo-client.ts';
import { eventually } from '../../support/eventually.ts';

// Each story starts several processes from source, which is slow beside other tests.
vi.setConfig({ testTimeout: 60_000 });

const folder = mkdtempSync(join(tmpdir(), 'outrigger-supervision-'));
afterAll(() => rmSync(folder, { recursive: true }));
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
const startAgent = developmentAgents();

/** An app's process that only lives; what answers calls is the echo app of the test. */
const living = (name: string): { command: string[]; pid: () => number | null; file: string } => {
  const file = join(folder, name);
  const source = `require('fs').writeFileSync(${JSON.stringify(file)}, String(process.pid)); process.on('SIGTERM', () => process.exit(9)); process.on('SIGINT', () => process.exit(8)); setInterval(() => {}, 1000);`;
  const pid = (): number | null => {
    try {
      return Number(readFileSync(file, 'utf8')) || null;
    } catch {
      return null;
    }
  };
  return { command: ['--', process.execPath, '-e', source], pid, file };
};

interface Ports {
  readonly app: string;
  readonly peers: string;
  readonly admin: string;
}
interface Running extends Command {
  readonly ports: Ports;
  readonly sidecarPid: number;
}

const run = async (words: readonly string[]): Promise<Running> => {
  const command = outrigger(['run', ...words], { XDG_RUNTIME_DIR: folder });
  ends.push(async () => {
    command.process.kill('SIGTERM');
    command.process.kill('SIGTERM');
    await command.ended;
  });
  const ports = JSON.parse((await command.says(/\{"event":"listening".*\}/))[0]) as Ports;
  const [, pid] = await command.says(/"pid":(\d+),.*"event":"the sidecar listens"/);
  return { ...command, ports, sidecarPid: Number(pid) };
};

const startEchoApp = async (): Promise<EchoApp> => {
  const app = await startEcho();
  ends.push(() => app.close());
  return app;
};
const startBeside = async (words: object): Promise<Sidecar> => {
  const listen = { app: '127.0.0.1:0', admin: '127.0.0.1:0', control: 'none' };
  const text = JSON.stringify({ listen, ...words });
  const { settings } = readSettings(text, 'test.yaml', '/', { freePorts: true });
  const sidecar = await startSidecar(settings);
  ends.push(() => sidecar.close());
  await sidecar.ready;
  return sidecar;
};
const clientOf = (target: string): EchoClient => {
  const client = new EchoClient(target, { 'grpc.default_authority': 'echo' });
  ends.push(() => client.close());
  return client;
};
/** A busy host takes as long to close the connections of a process that was killed, milliseconds. */
const noticedMs = 500;

interface Failed {
  readonly began: number;
  readonly message: string;
}
/** Four callers, each of which calls again once it has its answer, and the calls that failed. */
const fourCallers = (client: EchoClient): { failed: Failed[]; stop(): Promise<void> } => {
  const failed: Failed[] = [];
  let going = true;
  const caller = async (): Promise<void> => {
    while (going) {
      const began = performance.now();
      const { code, message } = await client.call('Unary', 'm');
      if (code !== status.OK) failed.push({ began, message });
    }
  };
  const work = Promise.all([caller(), caller(), caller(), caller()]);
  const stop = async (): Promise<void> => {
    going = false;
    await work;
  };
  ends.push(stop);
  return { failed, stop };
};
const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};
const idsOf = async (url: string): Promise<string[]> =>
  Object.keys((await (await fetch(`${url}/v1/agent/services`)).json()) as object).sort();

it('a sidecar that is killed under load is back on its ports, its app untouched, and calls go on', async () => {
  const { agent } = await startAgent();
  const discovery = { consul: { url: agent.url } };
  const [killed, other] = [await startEchoApp(), await startEchoApp()];
  const app = living('killed');
  const running = await run([
    ...['--service', 'echo', '--port', `${killed.port}`, '--consul', agent.url],
    ...app.command,
  ]);
  await startBeside({ service: { name: 'echo', port: other.port }, discovery });
  const web = await startBeside({ service: { name: 'web' }, discovery });
  await eventually(() => app.pid() !== null);
  const appPid = app.pid()!;
  const registered = await idsOf(agent.url);
  const inbound = clientOf(web.ports.app);
  const outbound = clientOf(running.ports.app);
  expect((await outbound.call('Unary', 'out')).code).toBe(status.OK);
  const load = fourCallers(inbound);
  await eventually(() => killed.seen.length > 50 && other.seen.length > 50);

  const at = performance.now();
  process.kill(running.sidecarPid, 'SIGKILL');
  const [, again] = await running.says(/"pid":(\d+),.*"event":"the sidecar listens again"/);
  const listensMs = performance.now() - at;
  const before = killed.seen.length;
  await eventually(() => killed.seen.length > before + 50);
  await load.stop();

  // From sources, and with the other tests beside: built, it is a third of this.
  expect(listensMs).toBeLessThan(6000);
  expect(Number(again)).not.toBe(running.sidecarPid);
  expect((await fetch(`http://${running.ports.admin}/live`)).status).toBe(200);
  expect((await outbound.call('Unary', 'out again')).code).toBe(status.OK);
  expect(app.pid()).toBe(appPid);
  expect(isAlive(appPid)).toBe(true);
  expect(await idsOf(agent.url)).toEqual(registered);
  // What was with the dead sidecar is lost, until the end of its last connection is heard of; nothing besides.
  expect(load.failed.filter(({ began }) => began > at + noticedMs)).toEqual([]);
  expect(load.failed.length).toBeLessThanOrEqual(8);
  running.process.kill('SIGTERM');
  expect(await running.ended).toMatchObject({ code: 9 });
});

it('several on one host do not collide', async () => {
  const { agent } = await startAgent();
  const apps = await Promise.all([startEchoApp(), startEchoApp()]);
  const all = await Promise.all(
    apps.map(({ port }, nth) =>
      run([
        '--service',
        'echo',
        '--port',
        `${port}`,
        '--consul',
        agent.url,
        ...living(`several-${nth}`).command,
      ]),
    ),
  );
  const ports = all.flatMap(({ ports: { app, peers, admin } }) =>
    [app, peers, admin].map((at) => at.split(':')[1]),
  );
  expect(new Set(ports).size).toBe(6);
  await eventually(async () => (await idsOf(agent.url)).length === 4);
  const codes = await Promise.all(
    all.map(async ({ ports: { app } }) => (await clientOf(app).call('Unary', 'x')).code),
  );
  expect(codes).toEqual([status.OK, status.OK]);
});

it('a sidecar that cannot start at all is one error, and no app is started', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  ends.push(() => taken.close());
  const { port } = taken.address() as { port: number };
  const app = living('never');
  const command = outrigger(
    ['run', '--service', 'echo', '--upstream', `inventory=127.0.0.1:${port}`, ...app.command],
    { XDG_RUNTIME_DIR: folder },
  );
  const { code, errors } = await command.ended;
  expect(code).toBe(1);
  expect(errors.match(/in use/g)).toHaveLength(1);
  expect(errors).toContain(`127.0.0.1:${port}`);
  expect(app.pid()).toBeNull();
});

it('what a terminal says to all processes of a group is for the app: the sidecar drains and ends after it', async () => {
  const { agent } = await startAgent();
  const echo = await startEchoApp();
  const app = living('group');
  const running = await run([
    ...['--service', 'echo', '--port', `${echo.port}`, '--consul', agent.url],
    ...app.command,
  ]);
  await eventually(() => app.pid() !== null);
  process.kill(running.sidecarPid, 'SIGINT');
  running.process.kill('SIGINT');
  const { code, errors } = await running.ended;
  expect(code).toBe(8);
  expect(errors).toContain('"event":"draining"');
  expect(errors).not.toContain('the sidecar ended');
  expect(isAlive(running.sidecarPid)).toBe(false);
  expect(await idsOf(agent.url)).toEqual([]);
});

it('when run itself is killed, its sidecar leaves the mesh and ends', async () => {
  const { agent } = await startAgent();
  const echo = await startEchoApp();
  const app = living('orphan');
  const running = await run([
    ...['--service', 'echo', '--port', `${echo.port}`, '--consul', agent.url],
    ...app.command,
  ]);
  await eventually(() => app.pid() !== null);
  await eventually(async () => (await idsOf(agent.url)).length === 2);
  ends.push(() => process.kill(app.pid()!, 'SIGKILL'));
  running.process.kill('SIGKILL');
  await eventually(() => !isAlive(running.sidecarPid));
  expect(await idsOf(agent.url)).toEqual([]);
});

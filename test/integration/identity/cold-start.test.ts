import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { startAgent } from '../../../sidecar/consul-dev/index.ts';
import { type Command, outrigger } from '../../support/command.ts';
import { startEcho } from '../../support/echo.ts';
import { type Answer, EchoClient } from '../../support/echo-client.ts';
import { freePorts } from '../../support/free-ports.ts';
import { closedAfterEach } from '../../support/kept.ts';
import { consulVersion, startRealConsul } from '../../support/real-consul.ts';

const version = consulVersion();
if (version === null) console.log('consul is not on PATH: cold starts with a real Consul are skipped');

const keep = closedAfterEach();

/** A sidecar in a process of its own, that can be killed and started again on the same ports. */
class Killable {
  readonly app: string;
  readonly admin: string;
  readonly #file: string;
  #command: Command | null = null;

  constructor(file: string, app: string, admin: string) {
    this.#file = file;
    this.app = app;
    this.admin = admin;
  }

  async start(): Promise<void> {
    this.#command = outrigger(['sidecar', '--config', this.#file], { XDG_RUNTIME_DIR: tmpdir() });
    await this.#command.says(/"event":"listening"/);
  }

  async kill(): Promise<void> {
    const command = this.#command;
    this.#command = null;
    command?.process.kill('SIGKILL');
    await command?.ended;
  }

  async page(path: string): Promise<{ status: number; body: Record<string, unknown> }> {
    const answer = await fetch(`http://${this.admin}${path}`);
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  }

  /** Resolves once `/ready` says so, or when it has said no for ten seconds: what it said last. */
  async readiness(): Promise<{ status: number; body: Record<string, unknown> }> {
    const end = Date.now() + 10_000;
    let last = await this.page('/ready');
    while (last.status !== 200 && Date.now() < end) {
      await new Promise((next) => setTimeout(next, 50));
      last = await this.page('/ready');
    }
    return last;
  }

  /** Calls until `/ready` says so without a warning, or for ten seconds: what it said last. Every call must go well. */
  async unwarned(call: () => Promise<Answer>): Promise<Record<string, unknown>> {
    const end = Date.now() + 10_000;
    for (;;) {
      const { code, message } = await call();
      expect([code, message]).toEqual([grpc.status.OK, 'OK']);
      const { status, body } = await this.page('/ready');
      if ((status === 200 && !('warnings' in body)) || Date.now() > end) return body;
    }
  }

  close(): Promise<void> {
    return this.kill();
  }
}

interface Story {
  readonly sidecars: readonly [web: Killable, echo: Killable];
  call(): Promise<Answer>;
}

/** `web` and `echo`, each with a sidecar of its own, that have called each other once. */
const begin = async (consul: string, stateDir: string): Promise<Story> => {
  const directory = await mkdtemp(join(tmpdir(), 'outrigger-cold-'));
  keep({ close: () => rm(directory, { recursive: true, force: true }) });
  const echo = keep(await startEcho());
  const sidecar = async (service: object, name: string): Promise<Killable> => {
    const [app, admin, peers] = await freePorts(3);
    const file = join(directory, `${name}.yaml`);
    const listen = {
      app: `127.0.0.1:${app}`,
      admin: `127.0.0.1:${admin}`,
      control: 'none',
      ...('port' in service && { peers: `127.0.0.1:${peers}` }),
    };
    const settings = { service, listen, discovery: { consul: { url: consul } }, 'state-dir': stateDir };
    await writeFile(file, JSON.stringify(settings));
    return keep(new Killable(file, listen.app, listen.admin));
  };
  const sidecars = [
    await sidecar({ name: 'web' }, 'web'),
    await sidecar({ name: 'echo', port: echo.port }, 'echo'),
  ] as const;
  await Promise.all(sidecars.map((each) => each.start()));
  for (const each of sidecars) expect((await each.readiness()).status).toBe(200);
  const call = async (): Promise<Answer> => {
    const client = new EchoClient(sidecars[0].app, { 'grpc.default_authority': 'echo' });
    try {
      return await client.call('Unary', 'm', { deadlineMs: 8000 });
    } finally {
      client.close();
    }
  };
  const end = Date.now() + 15_000;
  let answer = await call();
  while (answer.code !== grpc.status.OK && Date.now() < end) answer = await call();
  expect(answer.code).toBe(grpc.status.OK);
  return { sidecars, call };
};

interface Consul {
  readonly url: string;
  close(): Promise<void>;
  /** Comes back empty, with the same authority and address; absent where that cannot be had. */
  again?(): Promise<unknown>;
}

const development = async (): Promise<Consul> => {
  const agent = keep(await startAgent());
  const { url, port, authority } = agent;
  return {
    url,
    close: () => agent.close(),
    again: async () => keep(await startAgent({ port, authority })),
  };
};

const consuls: readonly (readonly [string, boolean, () => Promise<Consul>])[] = [
  ['a development agent, which comes back', true, development],
  ['a real Consul', version !== null, async () => keep(await startRealConsul())],
];

/** Consul goes for good, and so do both sidecars, which are then started again. */
const goneAndAgain = async (consul: Consul, stateDir: string): Promise<Story> => {
  const story = await begin(consul.url, stateDir);
  // What was learned last is on the disk within a second: then the machine may lose its power.
  await new Promise((next) => setTimeout(next, 1500));
  await consul.close();
  for (const each of story.sidecars) await each.kill();
  await Promise.all(story.sidecars.map((each) => each.start()));
  return story;
};

describe('Consul is gone, and every sidecar is killed and started again', () => {
  it.each(consuls.filter(([, isHere]) => isHere))(
    'calls go on from what state-dir holds: %s',
    async (_, __, start) => {
      const directory = await mkdtemp(join(tmpdir(), 'outrigger-cold-state-'));
      keep({ close: () => rm(directory, { recursive: true, force: true }) });
      const consul = await start();
      const { sidecars, call } = await goneAndAgain(consul, join(directory, 'state'));
      for (const each of sidecars) {
        const { status, body } = await each.readiness();
        expect([status, body]).toEqual([
          200,
          {
            ready: true,
            reasons: [],
            warnings: ['Consul has not answered since the start: what was kept in state-dir stands in'],
          },
        ]);
      }
      for (let at = 0; at < 20; at++) {
        const { code, message } = await call();
        expect([code, message]).toEqual([grpc.status.OK, 'OK']);
      }
      if (consul.again === undefined) return;
      await consul.again();
      for (const each of sidecars) expect(await each.unwarned(call)).toEqual({ ready: true, reasons: [] });
    },
    60_000,
  );

  it('control: without a state-dir there is nobody to be', async () => {
    const { sidecars, call } = await goneAndAgain(await development(), 'none');
    expect((await call()).code).toBe(grpc.status.UNAVAILABLE);
    const { status, body } = await sidecars[1].page('/ready');
    expect(status).toBe(503);
    expect(String(body['reasons'])).toContain('there is no certificate yet');
  }, 60_000);
});

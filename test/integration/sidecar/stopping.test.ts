import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { openConsul } from '../../../sidecar/consul/door.ts';
import { register } from '../../../sidecar/consul/registration.ts';
import { type DevelopmentAgent, startAgent } from '../../../sidecar/consul-dev/index.ts';
import { silent } from '../../../sidecar/core/log.ts';
import { type Sidecar, startSidecar } from '../../../sidecar/index.ts';
import { realKit } from '../../../sidecar/real-kit.ts';
import { readSettings } from '../../../sidecar/settings/load.ts';
import { type EchoApp, startEcho } from '../../support/echo.ts';
import { until } from '../../support/raw-http2.ts';
import { twoSidecars } from '../../support/sidecars.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const start = async (url: string, app: EchoApp): Promise<Sidecar> => {
  const settings = {
    service: { name: 'echo', port: app.port },
    listen: { app: '127.0.0.1:0', peers: '127.0.0.1:0', admin: '127.0.0.1:0', control: 'none' },
    discovery: { consul: { url } },
  };
  const { settings: read } = readSettings(JSON.stringify(settings), 'test.yaml', '/');
  const sidecar = await startSidecar(read);
  ends.push(() => sidecar.close());
  return sidecar;
};
const startApp = async (): Promise<EchoApp> => {
  const app = await startEcho();
  ends.push(() => app.close());
  return app;
};
const startConsul = async (): Promise<DevelopmentAgent> => {
  const agent = await startAgent();
  ends.push(() => agent.close());
  return agent;
};
/** A way to the agent that writes down which services it is told to forget. */
const listenIn = async (agent: DevelopmentAgent): Promise<{ url: string; forgotten: string[] }> => {
  const forgotten: string[] = [];
  const server = createServer((asked, response) => {
    const [, id] = /^\/v1\/agent\/service\/deregister\/([^?]*)/.exec(asked.url!) ?? [];
    if (id !== undefined) forgotten.push(id.endsWith('-sidecar-proxy') ? 'proxy' : 'service');
    const { method, url, headers } = asked;
    const passedOn = request(`${agent.url}${url}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    passedOn.on('error', () => response.destroy());
    response.on('close', () => passedOn.destroy());
    asked.pipe(passedOn);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, forgotten };
};
/** Ids of what the agent holds. */
const registered = async (agent: DevelopmentAgent): Promise<string[]> =>
  Object.keys((await (await fetch(`${agent.url}/v1/agent/services`)).json()) as object);
const controller = (): { signal: AbortSignal; abort: () => void } => {
  const stop = new AbortController();
  return { signal: stop.signal, abort: () => stop.abort() };
};

describe('a sidecar that is stopped early', () => {
  const nowhere = 'http://127.0.0.1:1';

  it.each(['drain', 'close'] as const)('says that it never became ready, by %s', async (how) => {
    const sidecar = await start(nowhere, await startApp());
    const outcome = sidecar.ready.then(
      () => 'ready',
      (error: Error) => error.message,
    );
    await sidecar[how]();
    expect(await outcome).toMatch(
      /^the sidecar was stopped before it was ready: there is no certificate yet/,
    );
  });

  it('is not ready for a moment before the registration has begun', async () => {
    const agent = await startConsul();
    const sidecar = await start(agent.url, await startApp());
    const unregistered = 'the service is not registered in Consul yet';
    const seen = new Set<string>();
    let ready = false;
    void sidecar.ready.then(() => (ready = true));
    while (!ready) {
      const reasons = sidecar.notReady();
      if (reasons.length > 0) expect(reasons).toContain(unregistered);
      else {
        // Whoever asks now must find it registered.
        expect(await registered(agent)).not.toEqual([]);
      }
      for (const reason of reasons) seen.add(reason);
      await new Promise(setImmediate);
    }
    expect(seen).toContain(unregistered);
  });

  it('ends its registration once when it is closed while it drains', async () => {
    const agent = await startConsul();
    const { url, forgotten } = await listenIn(agent);
    const sidecar = await start(url, await startApp());
    await sidecar.ready;
    const drained = sidecar.drain();
    await sidecar.close();
    await drained;
    expect(await registered(agent)).toEqual([]);
    expect(forgotten).toEqual(['proxy', 'service']);
  });
});

describe('a sidecar that cannot be started', () => {
  it('asks Consul nothing any more', async () => {
    let asked = 0;
    const server = createServer((_, response) => {
      asked++;
      response.writeHead(500).end('no leader');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    ends.push(() => server.close());
    const settings = {
      listen: { app: '127.0.0.1:0', peers: '127.0.0.1:0', admin: '127.0.0.1:0', control: 'none' },
      discovery: { consul: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` } },
      service: { name: 'echo', port: 50051 },
      identity: { files: { cert: '/nowhere/cert.pem', key: '/nowhere/key.pem', ca: '/nowhere/ca.pem' } },
    };
    const { settings: read } = readSettings(JSON.stringify(settings), 'test.yaml', '/');
    await expect(startSidecar(read)).rejects.toThrow(/nowhere.* cannot be read/);
    // What was on its way arrives.
    await pause(100);
    const before = asked;
    // An agent that fails is asked again after 250 ms at most.
    await pause(1000);
    expect(asked).toBe(before);
    const connections = await new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
    expect(connections).toBe(0);
  });
});

describe('what a stop is for, by stops that leave it out (controls)', () => {
  it.each([
    ['a drain and a close keep the call in flight', ['drain', 'close'], 'OK'],
    ['a close alone loses it', ['close'], 'UNAVAILABLE'],
  ] as const)('%s', async (_, steps, code) => {
    const mesh = await twoSidecars();
    ends.push(() => mesh.close());
    const stream = mesh.client.bidi();
    stream.call.write(Buffer.from('before'));
    await until(() => stream.messages.length === 1, 'the stream at the app');
    const [callee] = mesh.callees;
    const stopped = (async () => {
      for (const step of steps) await callee![step]();
    })();
    // The last word comes when the stop has begun: who waits for it keeps the call.
    if (steps[0] === 'close') await stopped;
    stream.call.write(Buffer.from('during'));
    stream.call.end();
    const ended = await stream.ended;
    await stopped;
    expect(status[ended.code]).toBe(code);
    expect(stream.messages.map(String)).toEqual(code === 'OK' ? ['before', 'during'] : ['before']);
  });

  it.each([
    ['that is ended leaves nobody in Consul', 1, ['proxy', 'service'], 0],
    ['that is only given up leaves the service and its proxy there', 0, [], 2],
    ['that a drain and a close both end is ended twice', 2, ['proxy', 'proxy', 'service', 'service'], 0],
  ] as const)('a registration %s', async (_, endings, said, left) => {
    const agent = await startConsul();
    const { url, forgotten } = await listenIn(agent);
    const kit = realKit(silent);
    const door = openConsul({ url }, kit);
    const { signal, abort } = controller();
    ends.push(
      () => kit.wheel.close(),
      () => door.close(),
      abort,
    );
    const service = { name: 'echo', address: { host: '127.0.0.1', port: 1 }, check: 'none' } as const;
    const registration = register({ door, kit, signal, service, proxy: { port: 2, advertise: null } });
    await new Promise<void>((resolve) => registration.registered.listen((on) => void (on && resolve())));
    if (endings === 0) abort();
    await Promise.all(Array.from({ length: endings }, () => registration.deregister()));
    expect(await registered(agent)).toHaveLength(left);
    expect(forgotten.toSorted()).toEqual(said);
  });
});

import { afterEach, describe, expect, it } from 'vitest';
import { type DevelopmentAgent, startAgent } from '../../../sidecar/consul-dev/index.ts';
import type { Log } from '../../../sidecar/core/log.ts';
import { type Sidecar, startSidecar } from '../../../sidecar/index.ts';
import { readSettings } from '../../../sidecar/settings/load.ts';
import { type EchoApp, startEcho } from '../../support/echo.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const start = async (url: string, app: EchoApp, log?: Log): Promise<Sidecar> => {
  const settings = {
    service: { name: 'echo', port: app.port },
    listen: { app: '127.0.0.1:0', peers: '127.0.0.1:0', admin: '127.0.0.1:0', control: 'none' },
    discovery: { consul: { url } },
  };
  const { settings: read } = readSettings(JSON.stringify(settings), 'test.yaml', '/');
  const sidecar = await startSidecar(read, log === undefined ? {} : { log });
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
        const services = await (await fetch(`${agent.url}/v1/agent/services`)).json();
        expect(Object.keys(services as object)).not.toEqual([]);
      }
      for (const reason of reasons) seen.add(reason);
      await new Promise(setImmediate);
    }
    expect(seen).toContain(unregistered);
  });

  it('ends its registration once when it is closed while it drains', async () => {
    const agent = await startConsul();
    const lines: string[] = [];
    const hear = (_fields: object, message: string): void => void lines.push(message);
    const log: Log = { debug: hear, info: hear, warn: hear, error: hear };
    const sidecar = await start(agent.url, await startApp(), log);
    await sidecar.ready;
    const drained = sidecar.drain();
    await sidecar.close();
    await drained;
    const services = await (await fetch(`${agent.url}/v1/agent/services`)).json();
    expect(services).toEqual({});
    expect(lines.filter((line) => line.startsWith('deregistration'))).toEqual([]);
  });
});

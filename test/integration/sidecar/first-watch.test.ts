import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DevelopmentAgent, startAgent } from '../../../sidecar/consul-dev/index.ts';
import { type Sidecar, startSidecar } from '../../../sidecar/index.ts';
import { readSettings } from '../../../sidecar/settings/load.ts';
import { type EchoApp, startEcho } from '../../support/echo.ts';
import { EchoClient } from '../../support/echo-client.ts';
import { sumOf } from '../../support/sidecars.ts';

describe('two sidecars that know each other from Consul alone', () => {
  let agent: DevelopmentAgent;
  let app: EchoApp;
  const sidecars: Sidecar[] = [];
  const clients: EchoClient[] = [];

  const start = async (service: object): Promise<Sidecar> => {
    const settings = {
      service,
      listen: {
        app: '127.0.0.1:0',
        admin: '127.0.0.1:0',
        control: 'none',
        ...('port' in service && { peers: '127.0.0.1:0' }),
      },
      discovery: { consul: { url: agent.url } },
    };
    const sidecar = await startSidecar(readSettings(JSON.stringify(settings), 'test.yaml', '/').settings);
    sidecars.push(sidecar);
    await sidecar.ready;
    return sidecar;
  };
  const connect = (authority: string): EchoClient => {
    const client = new EchoClient(sidecars[1]!.ports.app, { 'grpc.default_authority': authority });
    clients.push(client);
    return client;
  };

  beforeAll(async () => {
    agent = await startAgent();
    app = await startEcho();
    await start({ name: 'echo', port: app.port });
    await start({ name: 'web' });
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    await Promise.all(sidecars.map((sidecar) => sidecar.close()));
    app.close();
    await agent.close();
  });

  it('the first calls to a name wait for the first answer about it, and then go on', async () => {
    const calls = await Promise.all(Array.from({ length: 10 }, () => connect('echo').call('Unary', 'first')));
    expect(calls.map(({ code, message }) => [code, message])).toEqual(
      calls.map(() => [grpc.status.OK, 'OK']),
    );
    expect(sumOf(sidecars[1]!, 'outrigger_route_waits_total', 'outcome="answered"')).toBeGreaterThan(0);
    expect(app.seen[0]!.metadata.get('x-outrigger-caller')).toEqual(['web']);
  });

  it('the next ones do not', async () => {
    const waits = (): number => sumOf(sidecars[1]!, 'outrigger_route_waits_total');
    const before = waits();
    expect((await connect('echo').call('Unary', 'next')).code).toBe(grpc.status.OK);
    expect(waits()).toBe(before);
  });

  it('a name that Consul does not have is answered with what was asked, and with near names', async () => {
    const { code, message, trailers } = await connect('echp').call('Unary', 'm');
    expect(code).toBe(grpc.status.UNAVAILABLE);
    expect(message).toContain("no service 'echp' has been seen");
    expect(message).toContain('/v1/health/connect/echp');
    expect(message).toContain('known names near it: echo');
    expect(trailers.get('x-outrigger-reached')).toEqual(['false']);
  });

  it('a call whose deadline is shorter than the first answer ends in time', async () => {
    await agent.close();
    const { code } = await connect('another').call('Unary', 'm', {
      metadata: [['grpc-timeout', '80m']],
    });
    expect(code).toBe(grpc.status.DEADLINE_EXCEEDED);
    // What was known before the agent went is still served.
    expect((await connect('echo').call('Unary', 'm')).code).toBe(grpc.status.OK);
  });
});

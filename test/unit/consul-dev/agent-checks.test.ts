import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { developmentAgents } from '../../support/development-agent.ts';

const start = developmentAgents();

describe('a gRPC check', () => {
  const serveHealth = async (status: () => number) => {
    const server = new grpc.Server();
    server.addService(
      {
        Check: {
          path: '/grpc.health.v1.Health/Check',
          requestStream: false,
          responseStream: false,
          requestSerialize: (bytes: Buffer) => bytes,
          requestDeserialize: (bytes: Buffer) => bytes,
          responseSerialize: (bytes: Buffer) => bytes,
          responseDeserialize: (bytes: Buffer) => bytes,
        },
      },
      {
        Check: (call: { request: Buffer }, reply: grpc.sendUnaryData<Buffer>) =>
          call.request.toString('utf8', 2) === 'orders.Orders'
            ? reply(null, Buffer.from([0x08, status()]))
            : reply({ code: grpc.status.NOT_FOUND, details: 'unknown service' }),
      },
    );
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    return { port, stop: () => server.forceShutdown() };
  };

  it('follows what the app says of itself, and its absence', async () => {
    let status = 1;
    const app = await serveHealth(() => status);
    const { api } = await start();
    const check = (id: string, target: string) => ({ CheckID: id, GRPC: target, Interval: '20ms' });
    await api.put('/v1/agent/service/register', {
      Name: 'orders',
      Checks: [
        check('named', `127.0.0.1:${app.port}/orders.Orders`),
        check('other', `127.0.0.1:${app.port}/other`),
      ],
    });
    const until = async (id: string, wanted: string) => {
      const found = await api.until('/v1/agent/checks', (answer) => answer.json()[id].Status === wanted);
      return found.json()[id].Output;
    };
    expect(await until('named', 'passing')).toBe(`gRPC check 127.0.0.1:${app.port}/orders.Orders: success`);
    await api.until('/v1/agent/checks', (answer) => answer.json()['other'].Output !== '');
    expect(await until('other', 'critical')).toBe('rpc error: code = NotFound desc = unknown service');
    status = 2;
    expect(await until('named', 'critical')).toContain('serving status: 2');
    status = 1;
    await until('named', 'passing');
    app.stop();
    expect(await until('named', 'critical')).toContain('rpc error: code = Unavailable');
  });

  it('counts as many answers as it was told before it changes its mind', async () => {
    const answers = [1, 2, 2, 1, 2, 2, 2];
    let asked = 0;
    const app = await serveHealth(() => answers[Math.min(asked++, answers.length - 1)]!);
    const { api } = await start();
    await api.put('/v1/agent/service/register', {
      Name: 'orders',
      Check: {
        GRPC: `127.0.0.1:${app.port}/orders.Orders`,
        Interval: '5ms',
        Status: 'passing',
        FailuresBeforeCritical: 2,
      },
    });
    await api.until('/v1/agent/checks', (answer) => answer.json()['service:orders'].Status === 'critical');
    expect(asked).toBeGreaterThanOrEqual(7);
    app.stop();
  });
});

describe('a TCP check', () => {
  it('says that its address has no port', async () => {
    const { api } = await start();
    await api.put('/v1/agent/service/register', {
      Name: 'odd',
      Check: { TCP: 'no-port-here', Interval: '1h' },
    });
    const found = await api.until('/v1/agent/checks', (answer) => answer.json()['service:odd'].Output !== '');
    expect(found.json()['service:odd'].Output).toContain('missing or wrong port in address');
  });
});

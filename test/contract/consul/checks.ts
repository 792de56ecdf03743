import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { type Api, none, one } from '../../support/consul-api.ts';
import { registerPair } from '../../support/consul-pair.ts';

/** How an agent finds out that a service is well. */
export const checksStories = (api: Api): void => {
  describe('checks', () => {
    it('lets a TTL run out', async () => {
      await api.put('/v1/agent/service/register', {
        Name: 'silent',
        Port: 1,
        Check: { TTL: '150ms', Status: 'passing' },
      });
      const checks = await api.until(
        '/v1/agent/checks',
        (answer) => answer.json()['service:silent'].Status === 'critical',
      );
      expect(checks.json()['service:silent'].Output).toBe('TTL expired');
    });

    it('connects to a TCP address, and sees that nobody listens', async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await new Promise((resolve) => server.once('listening', resolve));
      const { port } = server.address() as { port: number };
      await api.put('/v1/agent/service/register', {
        Name: 'door',
        Port: port,
        Check: { TCP: `127.0.0.1:${port}`, Interval: '100ms' },
      });
      const open = await api.until(
        '/v1/agent/checks',
        (answer) => answer.json()['service:door'].Status === 'passing',
      );
      expect(open.json()['service:door'].Output).toBe(`TCP connect 127.0.0.1:${port}: Success`);
      await new Promise((resolve) => server.close(resolve));
      const shut = await api.until(
        '/v1/agent/checks',
        (answer) => answer.json()['service:door'].Status === 'critical',
      );
      expect(shut.json()['service:door'].Output).toBe(
        `dial tcp 127.0.0.1:${port}: connect: connection refused`,
      );
      await api.put('/v1/agent/service/deregister/door');
    });

    it('adds a check to a service and takes it away', async () => {
      await registerPair(api, 'checked');
      const added = await api.put('/v1/agent/check/register', {
        Name: 'extra',
        ServiceID: 'checked-1',
        TTL: '1m',
      });
      expect(added.status).toBe(200);
      await api.until('/v1/health/service/checked?passing', none);
      const update = { Status: 'passing', Output: 'well' };
      expect((await api.put('/v1/agent/check/update/extra', update)).status).toBe(200);
      await api.until('/v1/health/service/checked?passing', one);
      await api.put('/v1/agent/check/fail/extra');
      await api.put('/v1/agent/check/deregister/extra');
      await api.until('/v1/health/service/checked?passing', one);
    });
  });
};

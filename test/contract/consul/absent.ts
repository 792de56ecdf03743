import { describe, expect, it } from 'vitest';
import { type Api, said } from '../../support/consul-api.ts';
import type { Ground } from './ground.ts';

/** What an agent says of what it does not have. */
export const absentStories = (api: Api, { acls }: Ground): void => {
  describe('what is not there', () => {
    it('answers an empty list for a service that nobody knows', async () => {
      for (const path of ['health/service', 'health/connect', 'catalog/service']) {
        const answer = await api.get(`/v1/${path}/nobody`);
        expect([answer.status, answer.text.trim()]).toEqual([200, '[]']);
      }
    });

    it('names the check, the service or the field that it does not know', async () => {
      expect(await said(api.put('/v1/agent/check/pass/nope'))).toEqual([
        500,
        acls ? 'Unknown check "nope"' : 'CheckID "nope" does not have associated TTL',
      ]);
      expect(await said(api.get('/v1/agent/service/nope'))).toEqual([404, 'unknown service ID: nope']);
      expect(await said(api.put('/v1/agent/service/maintenance/nope?enable=true'))).toEqual(
        acls ? [500, 'Unknown service {"nope" {}}'] : [404, 'No service registered with ID "nope"'],
      );
      expect(
        await said(api.put('/v1/agent/check/register', { Name: 'c', ServiceID: 'nope', TTL: '1m' })),
      ).toEqual([500, 'ServiceID "nope" does not exist']);
      expect(await said(api.put('/v1/agent/service/register', { Name: 'x', Wrong: 1 }))).toEqual([
        400,
        'Request decode failed: json: unknown field "Wrong"',
      ]);
      expect(await said(api.put('/v1/agent/service/register', {}))).toEqual([400, 'Missing service name']);
      expect(
        await said(api.put('/v1/agent/service/register', { Name: 'x', Check: { TCP: '127.0.0.1:1' } })),
      ).toEqual([400, 'Invalid check: Interval must be > 0 for Script, HTTP, or TCP checks']);
      expect((await api.get('/v1/nonsense')).status).toBe(404);
      expect((await api.post('/v1/agent/service/register', {})).status).toBe(405);
      expect((await api.put('/v1/agent/service/deregister/nope')).status).toBe(acls ? 500 : 200);
    });
  });
};

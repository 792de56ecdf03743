import { describe, expect, it } from 'vitest';
import { type Api, none, one } from '../../support/consul-api.ts';
import { registerPair } from '../../support/consul-pair.ts';

/** What becomes of services: registered, sick, in maintenance, gone. */
export const servicesStories = (api: Api): void => {
  describe('services', () => {
    it('shows an app and its proxy in every view', async () => {
      await registerPair(api, 'shown', { version: '3' }, ['blue']);
      const [app] = (await api.get('/v1/health/service/shown')).json();
      expect(app.Service).toMatchObject({
        ID: 'shown-1',
        Service: 'shown',
        Port: 50051,
        Address: '127.0.0.1',
        Tags: ['blue'],
        Meta: { version: '3' },
        Weights: { Passing: 1, Warning: 1 },
      });
      expect(app.Service.Kind).toBeUndefined();
      expect(app.Node.Address).toBe('127.0.0.1');
      expect(app.Checks.map((check: { CheckID: string }) => check.CheckID).sort()).toEqual([
        'serfHealth',
        'shown-app',
      ]);
      const [proxy] = (await api.get('/v1/health/connect/shown')).json();
      expect(proxy.Service).toMatchObject({
        Kind: 'connect-proxy',
        ID: 'shown-1-sidecar-proxy',
        Service: 'shown-sidecar-proxy',
        Port: 15002,
        Address: '',
        Tags: [],
        Meta: null,
        Proxy: { DestinationServiceName: 'shown', DestinationServiceID: 'shown-1' },
      });
      expect((await api.get('/v1/catalog/services')).json()).toMatchObject({
        shown: ['blue'],
        'shown-sidecar-proxy': [],
      });
      expect((await api.get('/v1/catalog/service/shown')).json()[0]).toMatchObject({
        ServiceID: 'shown-1',
        ServiceName: 'shown',
        ServicePort: 50051,
        ServiceMeta: { version: '3' },
      });
      expect((await api.get('/v1/agent/services')).json()['shown-1-sidecar-proxy']).toMatchObject({
        Kind: 'connect-proxy',
        Meta: {},
      });
      expect((await api.get('/v1/agent/service/shown-1')).json()).toMatchObject({ Service: 'shown' });
      expect((await api.get('/v1/agent/checks')).json()['service:shown-1-sidecar-proxy:1']).toMatchObject({
        Name: 'app behind',
        Status: 'passing',
        Type: 'alias',
        ServiceID: 'shown-1-sidecar-proxy',
      });
      expect((await api.get('/v1/health/checks/shown')).json()).toHaveLength(1);
    });

    it('takes the proxy out when the app is sick, and lets it in again', async () => {
      await registerPair(api, 'sick');
      await api.put('/v1/agent/check/fail/sick-app?note=ill');
      const gone = await api.until('/v1/health/connect/sick?passing', none);
      expect(gone.status).toBe(200);
      const [proxy] = (await api.get('/v1/health/connect/sick')).json();
      expect(proxy.Checks.find((check: { Name: string }) => check.Name === 'app behind')).toMatchObject({
        Status: 'critical',
        Output: 'Aliased check "app" failing: ill',
      });
      await api.put('/v1/agent/check/pass/sick-app');
      await api.until('/v1/health/connect/sick?passing', one);
    });

    it('takes a service out for maintenance, the proxy behind it too', async () => {
      await registerPair(api, 'mended');
      expect((await api.put('/v1/agent/service/maintenance/mended-1?enable=true&reason=oil')).status).toBe(
        200,
      );
      await api.until('/v1/health/connect/mended?passing', none);
      expect((await api.get('/v1/agent/checks')).json()['_service_maintenance:mended-1']).toMatchObject({
        Name: 'Service Maintenance Mode',
        Status: 'critical',
        Notes: 'oil',
      });
      const health = await api.get('/v1/agent/health/service/id/mended-1');
      expect([health.status, health.json().AggregatedStatus]).toEqual([503, 'maintenance']);
      await api.put('/v1/agent/service/maintenance/mended-1?enable=false');
      await api.put('/v1/agent/check/warn/mended-app');
      const warned = await api.get('/v1/agent/health/service/name/mended');
      expect([warned.status, warned.headers.get('x-consul-reason')]).toEqual([429, 'warning']);
      await api.put('/v1/agent/check/pass/mended-app');
      await api.until('/v1/health/connect/mended?passing', one);
      expect((await api.get('/v1/agent/health/service/name/mended')).status).toBe(200);
    });

    it('forgets a service that is deregistered, with its checks', async () => {
      await registerPair(api, 'leaving');
      await api.put('/v1/agent/service/deregister/leaving-1-sidecar-proxy');
      await api.put('/v1/agent/service/deregister/leaving-1');
      await api.until('/v1/health/connect/leaving', none);
      await api.until('/v1/health/service/leaving', none);
      expect(
        Object.keys((await api.get('/v1/agent/checks')).json()).filter((id) => /leaving/.test(id)),
      ).toEqual([]);
      expect((await api.get('/v1/agent/service/leaving-1')).status).toBe(404);
    });

    it('keeps a check’s status through a second registration', async () => {
      const body = { Name: 'again', Port: 1, Check: { TTL: '1m' } };
      await api.put('/v1/agent/service/register', body);
      expect((await api.get('/v1/agent/checks')).json()['service:again'].Status).toBe('critical');
      await api.put('/v1/agent/check/pass/service:again');
      await api.put('/v1/agent/service/register', body);
      expect((await api.get('/v1/agent/checks')).json()['service:again'].Status).toBe('passing');
      await api.put('/v1/agent/service/register?replace-existing-checks=true', { Name: 'again', Port: 1 });
      expect((await api.get('/v1/agent/checks')).json()['service:again']).toBeUndefined();
    });
  });
};

import { describe, expect, it } from 'vitest';
import type { Api } from '../../support/consul-api.ts';
import type { Ground } from './ground.ts';

/** Who may call whom, and how an agent says so. */
export const intentionsStories = (api: Api, { ours, unspoken }: Ground): void => {
  describe('Connect', () => {
    it.skipIf(!ours)(
      'finds the intentions of a service, the most exact first, and null when there are none',
      async () => {
        const match = '/v1/connect/intentions/match?by=destination&name=guarded';
        expect((await api.get(match)).json()).toEqual({ guarded: null });
        const { TrustDomain } = (await api.get('/v1/connect/ca/roots')).json();
        const authorize = async (caller: string, trustDomain = TrustDomain) =>
          (
            await api.post('/v1/agent/connect/authorize', {
              Target: 'guarded',
              ClientCertURI: `spiffe://${trustDomain}/ns/default/dc/dc1/svc/${caller}`,
              ClientCertSerial: 'aa:bb',
            })
          ).json();
        expect(await authorize('web')).toEqual(unspoken);
        // Of a trust domain that nobody knows it says the same.
        const anyDomain = '00000000-0000-0000-0000-000000000000.consul';
        expect(await authorize('web', anyDomain)).toEqual(unspoken);
        const add = async (source: string, destination: string, action: string): Promise<string> =>
          (
            await api.post('/v1/connect/intentions', {
              SourceName: source,
              DestinationName: destination,
              Action: action,
            })
          ).json().ID;
        const held = api.get(
          `/v1/connect/intentions?index=${(await api.get('/v1/connect/intentions')).index}&wait=10s`,
        );
        const exact = await add('web', 'guarded', 'deny');
        expect((await held).took).toBeLessThan(3000);
        const all = [await add('*', '*', 'deny'), await add('*', 'guarded', 'allow'), exact];
        const found = (await api.get(match)).json().guarded;
        expect(
          found.map((each: Record<string, unknown>) => [
            each['SourceName'],
            each['DestinationName'],
            each['Action'],
            each['Precedence'],
          ]),
        ).toEqual([
          ['web', 'guarded', 'deny', 9],
          ['*', 'guarded', 'allow', 8],
          ['*', '*', 'deny', 5],
        ]);
        expect((await api.get(`/v1/connect/intentions/${exact}`)).json()).toEqual(found[0]);
        const check = async (source: string) =>
          (await api.get(`/v1/connect/intentions/check?source=${source}&destination=guarded`)).json().Allowed;
        expect([await check('web'), await check('other')]).toEqual([false, true]);
        const twice = await api.post('/v1/connect/intentions', {
          SourceName: 'web',
          DestinationName: 'guarded',
          Action: 'allow',
        });
        expect(twice.status).toBe(500);
        expect(twice.text).toContain(
          `duplicate intention found: DENY default/web => default/guarded (ID: ${exact}`,
        );
        await api.put(`/v1/connect/intentions/${exact}`, {
          SourceName: 'web',
          DestinationName: 'guarded',
          Action: 'allow',
        });
        expect(await check('web')).toBe(true);
        for (const id of all) expect((await api.delete(`/v1/connect/intentions/${id}`)).status).toBe(200);
        expect((await api.get(match)).json()).toEqual({ guarded: null });
        const gone = await api.get(`/v1/connect/intentions/${exact}`);
        expect([gone.status, gone.text]).toEqual([404, 'Intention not found']);
      },
    );

    it('judges a caller by its certificate, and refuses names that are none', async () => {
      const { ID } = (
        await api.post('/v1/connect/intentions', {
          SourceName: 'bad',
          DestinationName: 'vault',
          Action: 'deny',
        })
      ).json();
      const ask = (uri: string, target = 'vault') =>
        api.post('/v1/agent/connect/authorize', {
          Target: target,
          ClientCertURI: uri,
          ClientCertSerial: 'aa',
        });
      expect((await ask('spiffe://x.consul/ns/default/dc/dc1/svc/bad')).json()).toEqual({
        Authorized: false,
        Reason: `Matched intention: DENY default/bad => default/vault (ID: ${ID}, Precedence: 9)`,
      });
      const odd = await ask('https://example');
      expect([odd.status, odd.text]).toEqual([
        400,
        'Bad request: ClientCertURI not a valid Connect identifier',
      ]);
      const nobody = await ask('spiffe://x.consul/ns/default/dc/dc1/svc/bad', '');
      expect([nobody.status, nobody.text]).toEqual([400, 'Bad request: Target service must be specified']);
      await api.delete(`/v1/connect/intentions/${ID}`);
    });
  });
};

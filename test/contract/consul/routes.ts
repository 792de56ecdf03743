import { describe, expect, it } from 'vitest';
import { type Api, said } from '../../support/consul-api.ts';

/** Discovery chains and the config entries that make them. */
export const routesStories = (api: Api): void => {
  describe('routes', () => {
    it('compiles the default chain of any service', async () => {
      const { TrustDomain } = (await api.get('/v1/connect/ca/roots')).json();
      const answer = await api.get('/v1/discovery-chain/plain');
      expect(answer.index).toBeGreaterThan(0);
      expect(answer.json()).toEqual({
        Chain: {
          ServiceName: 'plain',
          Namespace: 'default',
          Datacenter: 'dc1',
          Protocol: 'tcp',
          StartNode: 'resolver:plain.default.dc1',
          Nodes: {
            'resolver:plain.default.dc1': {
              Type: 'resolver',
              Name: 'plain.default.dc1',
              Resolver: { ConnectTimeout: '5s', Default: true, Target: 'plain.default.dc1' },
            },
          },
          Targets: {
            'plain.default.dc1': {
              ID: 'plain.default.dc1',
              Service: 'plain',
              Namespace: 'default',
              Datacenter: 'dc1',
              MeshGateway: {},
              Subset: {},
              SNI: `plain.default.dc1.internal.${TrustDomain}`,
              Name: `plain.default.dc1.internal.${TrustDomain}`,
            },
          },
        },
      });
    });

    it('compiles router, splitters and resolvers into one chain, and wakes who waits for it', async () => {
      const { index } = await api.get('/v1/discovery-chain/shop');
      const held = api.get(`/v1/discovery-chain/shop?index=${index}&wait=10s`);
      const put = async (entry: unknown) => {
        const answer = await api.put('/v1/config', entry);
        expect([answer.status, answer.text.trim()]).toEqual([200, 'true']);
      };
      await put({ Kind: 'service-defaults', Name: 'shop', Protocol: 'grpc' });
      expect((await held).json().Chain.Protocol).toBe('grpc');
      for (const name of ['shop-next', 'shop-spare', 'shop-admin', 'shop-moved', 'shop-inner'])
        await put({ Kind: 'service-defaults', Name: name, Protocol: 'grpc' });
      await put({
        Kind: 'service-resolver',
        Name: 'shop',
        DefaultSubset: 'v1',
        ConnectTimeout: '90s',
        Subsets: {
          v1: { Filter: 'Service.Meta.version == 1' },
          v2: { Filter: 'Service.Meta.version == 2', OnlyPassing: true },
        },
        Failover: { '*': { Service: 'shop-spare' } },
      });
      await put({ Kind: 'service-resolver', Name: 'shop-admin', Redirect: { Service: 'shop-moved' } });
      await put({
        Kind: 'service-splitter',
        Name: 'shop-inner',
        Splits: [
          { Weight: 50, Service: 'shop-next' },
          { Weight: 50, Service: 'shop-moved' },
        ],
      });
      await put({
        Kind: 'service-splitter',
        Name: 'shop',
        Splits: [
          { Weight: 70, ServiceSubset: 'v1' },
          { Weight: 10, ServiceSubset: 'v2' },
          { Weight: 20, Service: 'shop-inner' },
        ],
      });
      const routes = [
        {
          Match: { HTTP: { PathPrefix: '/x', Header: [{ Name: 'h', Exact: '1' }] } },
          Destination: { Service: 'shop-admin', RequestTimeout: '2s', NumRetries: 3 },
        },
        { Match: { HTTP: { PathExact: '/y' } }, Destination: { ServiceSubset: 'v2' } },
      ];
      await put({ Kind: 'service-router', Name: 'shop', Routes: routes });
      const { Chain } = (await api.get('/v1/discovery-chain/shop')).json();
      expect(Chain.StartNode).toBe('router:shop.default');
      expect(Chain.Nodes['router:shop.default'].Routes).toEqual([
        { Definition: routes[0], NextNode: 'resolver:shop-moved.default.dc1' },
        { Definition: routes[1], NextNode: 'resolver:v2.shop.default.dc1' },
        {
          Definition: {
            Match: { HTTP: { PathPrefix: '/' } },
            Destination: { Service: 'shop', Namespace: 'default' },
          },
          NextNode: 'splitter:shop.default',
        },
      ]);
      expect(Chain.Nodes['splitter:shop.default'].Splits).toEqual([
        { Weight: 70, NextNode: 'resolver:v1.shop.default.dc1' },
        { Weight: 10, NextNode: 'resolver:v2.shop.default.dc1' },
        { Weight: 10, NextNode: 'resolver:shop-next.default.dc1' },
        { Weight: 10, NextNode: 'resolver:shop-moved.default.dc1' },
      ]);
      expect(Chain.Nodes['resolver:v1.shop.default.dc1'].Resolver).toEqual({
        ConnectTimeout: '1m30s',
        Target: 'v1.shop.default.dc1',
        Failover: { Targets: ['shop-spare.default.dc1'] },
      });
      expect(Object.keys(Chain.Nodes)).toHaveLength(6);
      expect(Object.keys(Chain.Targets)).toEqual([
        'shop-moved.default.dc1',
        'shop-next.default.dc1',
        'shop-spare.default.dc1',
        'v1.shop.default.dc1',
        'v2.shop.default.dc1',
      ]);
      expect(Chain.Targets['v2.shop.default.dc1']).toMatchObject({
        ServiceSubset: 'v2',
        Subset: { Filter: 'Service.Meta.version == 2', OnlyPassing: true },
      });
      const tcp = (await api.post('/v1/discovery-chain/shop', { OverrideProtocol: 'tcp' })).json().Chain;
      expect([tcp.StartNode, tcp.Protocol]).toEqual(['resolver:v1.shop.default.dc1', 'tcp']);
      expect(tcp.CustomizationHash).toMatch(/^[0-9a-f]{8}$/);
    });

    it('keeps entries by kind and name, and refuses what would break a chain', async () => {
      const put = (entry: unknown) => said(api.put('/v1/config', entry));
      const resolver = { Kind: 'service-resolver', Name: 'kept', ConnectTimeout: '3s' };
      expect(await put(resolver)).toEqual([200, 'true']);
      expect((await api.get('/v1/config/service-resolver/kept')).json()).toMatchObject(resolver);
      expect(
        (await api.get('/v1/config/service-resolver'))
          .json()
          .some((entry: { Name: string }) => entry.Name === 'kept'),
      ).toBe(true);
      expect(await said(api.delete('/v1/config/service-resolver/kept'))).toEqual([200, '{}']);
      expect(await said(api.get('/v1/config/service-resolver/kept'))).toEqual([
        404,
        'Config entry not found for "service-resolver" / "kept"',
      ]);
      expect(await said(api.get('/v1/config/nope'))).toEqual([500, 'invalid config entry kind: nope']);
      expect(await put({ Kind: 'nope', Name: 'x' })).toEqual([
        400,
        'Bad request: Request decoding failed: invalid config entry kind: nope',
      ]);
      expect(await put({ Kind: 'service-splitter', Name: 'q', Splits: [{ Weight: 90 }] })).toEqual([
        500,
        'the sum of all split weights must be 100, not 90.000000',
      ]);
      expect(await put({ Kind: 'service-resolver', Name: 'c1', Redirect: { Service: 'c2' } })).toEqual([
        200,
        'true',
      ]);
      const [status, why] = await put({
        Kind: 'service-resolver',
        Name: 'c2',
        Redirect: { Service: 'c1' },
      });
      expect(status).toBe(500);
      expect(why).toMatch(/^detected circular resolver redirect: \[c\d\.default\.dc1 -> c/);
      expect((await api.get('/v1/config/service-resolver/c2')).status).toBe(404);
      for (const name of ['s1', 's2', 'h1'])
        expect(await put({ Kind: 'service-defaults', Name: name, Protocol: 'http' })).toEqual([200, 'true']);
      const splitTo = (name: string, to: string) =>
        put({ Kind: 'service-splitter', Name: name, Splits: [{ Weight: 100, Service: to }] });
      expect(await splitTo('s1', 's2')).toEqual([200, 'true']);
      const [circle, whyCircle] = await splitTo('s2', 's1');
      expect([circle, whyCircle]).toEqual([500, expect.stringMatching(/^detected circular reference: \[/)]);
      expect(await put({ Kind: 'service-resolver', Name: 't1', Redirect: { Service: 'h1' } })).toEqual([
        500,
        'discovery chain "t1" uses inconsistent protocols; service "h1" has "http" which is not "tcp"',
      ]);
      // The protocol is that of the services where calls end: t1's own, tcp, does not count here.
      expect(await splitTo('t1', 'h1')).toEqual([200, 'true']);
      expect((await api.get('/v1/discovery-chain/t1')).json().Chain).toMatchObject({
        StartNode: 'splitter:t1.default',
        Protocol: 'http',
      });
      expect(await splitTo('t2', 't2')).toEqual([
        500,
        'discovery chain "t2" uses a protocol "tcp" that does not permit advanced routing or splitting behavior',
      ]);
      expect(await put({ Kind: 'service-router', Name: 't3', Routes: [] })).toEqual([
        500,
        'discovery chain "t3" uses a protocol "tcp" that does not permit advanced routing or splitting behavior',
      ]);
      expect(await put({ Kind: 'service-resolver', Name: 'c3', DefaultSubset: 'none' })).toEqual([
        500,
        expect.stringMatching(/none/),
      ]);
    });
  });
};

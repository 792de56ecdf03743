import { describe, expect, it } from 'vitest';
import type { ChainAnswer } from '../../../../sidecar/consul/chain-answer.ts';
import { compileChain, type Plan } from '../../../../sidecar/sources/chain/compile.ts';
import { chainOf, type Entry, grpcServices, rule, text } from '../../../support/chains.ts';

const noFault = (pattern: string): string | null => (pattern.includes('(?=') ? 'it looks ahead' : null);
const planOf = (...entries: Entry[]): Plan => compileChain('web', chainOf('web', ...entries), noFault);
const compile = (chain: ChainAnswer): Plan => compileChain('web', chain, noFault);

const subsets: Entry = {
  Kind: 'service-resolver',
  Name: 'web',
  DefaultSubset: 'v1',
  Subsets: {
    v1: { Filter: 'Service.Meta.version == 1' },
    v2: { Filter: 'Service.Meta.version == 2', OnlyPassing: true },
  },
};
const v1 = 'v1.web.default.dc1?Service.Meta.version == 1';
const v2 = 'v2.web.default.dc1?Service.Meta.version == 2';

describe('a chain', () => {
  it('without entries comes to the service itself', () => {
    expect(planOf()).toEqual({
      table: null,
      targets: [{ key: 'web', name: 'web', service: 'web', filter: '', dc: '' }],
      policies: [],
      unheeded: [],
    });
  });

  it('with a default subset leads to it, by its filter', () => {
    const { table, targets } = planOf(...grpcServices('web'), subsets);
    expect(table).toEqual({
      name: 'web',
      protocol: 'grpc',
      rules: [rule({ legs: [{ weight: 100, targets: [v1] }] })],
    });
    expect(targets).toEqual([
      {
        key: v1,
        name: 'v1.web.default.dc1',
        service: 'web',
        filter: 'Service.Meta.version == 1',
        dc: '',
      },
    ]);
  });

  it('that splits has a leg for each side with a weight, inner splitters multiplied', () => {
    const { table, targets } = planOf(
      ...grpcServices('web', 'next', 'spare'),
      subsets,
      {
        Kind: 'service-splitter',
        Name: 'web',
        Splits: [
          { Weight: 60, ServiceSubset: 'v1' },
          { Weight: 0, ServiceSubset: 'v2' },
          { Weight: 40, Service: 'next' },
        ],
      },
      {
        Kind: 'service-splitter',
        Name: 'next',
        Splits: [{ Weight: 75 }, { Weight: 25, Service: 'spare' }],
      },
    );
    expect(table!.rules).toEqual([
      rule({
        legs: [
          { weight: 60, targets: [v1] },
          { weight: 30, targets: ['next'] },
          { weight: 10, targets: ['spare'] },
        ],
      }),
    ]);
    expect(targets.map(({ key }) => key)).toEqual([v1, 'next', 'spare']);
  });

  it('that redirects leads elsewhere, and fails over in order', () => {
    const { table, targets } = planOf(
      { Kind: 'service-resolver', Name: 'web', Redirect: { Service: 'moved' } },
      { Kind: 'service-resolver', Name: 'moved', Failover: { '*': { Datacenters: ['dc2', 'dc1', 'dc3'] } } },
    );
    const here = ['moved', 'moved.default.dc2', 'moved.default.dc3'];
    expect(table!.rules).toEqual([rule({ legs: [{ weight: 100, targets: here }] })]);
    expect(targets.map(({ service, dc }) => [service, dc])).toEqual([
      ['moved', ''],
      ['moved', 'dc2'],
      ['moved', 'dc3'],
    ]);
  });

  it('that routes has its rules in order, and the rest last', () => {
    const { table, unheeded } = planOf(...grpcServices('web', 'admin'), subsets, {
      Kind: 'service-router',
      Name: 'web',
      Routes: [
        {
          Match: {
            HTTP: {
              PathPrefix: '/shop.Admin/',
              Methods: ['GET', 'POST'],
              Header: [
                { Name: 'X-Who', Exact: 'Me' },
                { Name: 'x-old', Present: true, Invert: true },
                { Name: 'x-v', Regex: '2[0-9]*', Invert: true },
              ],
            },
          },
          Destination: { Service: 'admin', RequestTimeout: '1m2.5s', PrefixRewrite: '/other.Admin/' },
        },
        { Match: { HTTP: { PathExact: '/shop.Web/Get' } }, Destination: { ServiceSubset: 'v2' } },
        { Match: { HTTP: { PathRegex: '/shop\\.[A-Z].*' } }, Destination: { Service: 'admin' } },
      ],
    });
    expect(table!.rules).toEqual([
      rule({
        path: text('prefix', '/shop.Admin/'),
        fields: [
          { name: 'x-who', ...text('exact', 'Me'), invert: false },
          { name: 'x-old', ...text('present'), invert: true },
          { name: 'x-v', ...text('pattern', '2[0-9]*'), invert: true },
        ],
        legs: [{ weight: 100, targets: ['admin'] }],
        rewrite: '/other.Admin/',
        timeoutMs: 62_500,
      }),
      rule({ path: text('exact', '/shop.Web/Get'), legs: [{ weight: 100, targets: [v2] }] }),
      rule({ path: text('pattern', '/shop\\.[A-Z].*'), legs: [{ weight: 100, targets: ['admin'] }] }),
      rule({ legs: [{ weight: 100, targets: [v1] }] }),
    ]);
    expect(unheeded).toEqual([]);
  });

  const never = (http: object): Plan =>
    planOf(...grpcServices('web', 'admin'), {
      Kind: 'service-router',
      Name: 'web',
      Routes: [{ Match: { HTTP: http }, Destination: { Service: 'admin' } }],
    });

  it.each([
    [{ Methods: ['GET', 'PUT'] }, 'it asks for GET, PUT, and gRPC calls are POST'],
    [
      { QueryParam: [{ Name: 'q', Present: true }] },
      "it asks for the query parameter 'q', and gRPC calls have no query",
    ],
    [{ PathPrefix: '/a', Weather: 'fine' }, 'its condition Weather is not known here'],
    [{ Header: [{ Name: 'a', Phase: 'full' }] }, "its condition Phase on header 'a' is not known here"],
    [{ PathRegex: '/a(?=b)' }, "its pattern '/a(?=b)' cannot be used: it looks ahead"],
    [{ Header: [{ Name: 'a', Regex: '(?=b)' }] }, "its pattern '(?=b)' cannot be used: it looks ahead"],
    [{ Header: [{ Name: 'a' }] }, "it says nothing of how header 'a' must look"],
  ])('leaves out a route whose condition no call of ours can meet: %j', (http, why) => {
    const { table, unheeded } = never(http);
    expect(unheeded).toEqual([`route 1: never taken, because ${why}`]);
    expect(table).toBeNull(); // the rest goes to the service itself
  });

  it('takes conditions of newer versions that it knows', () => {
    const { table } = never({
      PathPrefix: '/Shop',
      CaseInsensitive: true,
      Header: [{ Name: 'a', Contains: 'B', IgnoreCase: true }],
    });
    expect(table!.rules[0]).toMatchObject({
      path: text('prefix', '/shop', true),
      fields: [{ name: 'a', ...text('contains', 'b', true), invert: false }],
    });
  });

  it('names what it does not honour, each once', () => {
    const chain = chainOf(
      'web',
      ...grpcServices('web', 'admin'),
      {
        Kind: 'service-router',
        Name: 'web',
        Routes: [
          {
            Match: { HTTP: { PathPrefix: '/a' } },
            Destination: {
              Service: 'admin',
              NumRetries: 3,
              RetryOnConnectFailure: true,
              RetryOnStatusCodes: [503],
              RequestHeaders: { Add: { a: 'b' } },
            },
          },
        ],
      },
      { Kind: 'service-resolver', Name: 'admin', LoadBalancer: { Policy: 'ring_hash', RingHashConfig: {} } },
    );
    expect(compile(chain).unheeded).toEqual([
      "route 1: NumRetries is not honoured: calls are tried again as the policy 'retry' says",
      "route 1: RetryOnStatusCodes is not honoured: calls are tried again as the policy 'retry' says",
      'route 1: RequestHeaders is not honoured',
      'resolver admin.default.dc1: LoadBalancer ring_hash is not honoured',
    ]);
  });

  it('says that nothing can be routed while the protocol is tcp', () => {
    const { table, unheeded } = planOf(subsets);
    expect(table!.protocol).toBe('tcp');
    expect(unheeded).toEqual([
      `there are no routers and splitters while its protocol is 'tcp': write service-defaults with Protocol = "grpc"`,
    ]);
  });

  it.each([
    ['round_robin', 'round-robin', []],
    ['least_request', 'two-choices', []],
    [
      'random',
      'two-choices',
      ['resolver web.default.dc1: LoadBalancer random is taken as the less loaded of two met by chance'],
    ],
  ] as const)('hands the load balancer %s on as policy', (Policy, balance, notes) => {
    const { table, policies, unheeded } = planOf({
      Kind: 'service-resolver',
      Name: 'web',
      ConnectTimeout: '300ms',
      LoadBalancer: { Policy },
    });
    expect(table).toBeNull();
    const rest = {
      layer: 'entries',
      service: 'web',
      method: '',
      origin: 'consul entry service-resolver/web',
    };
    expect(policies).toEqual([
      { ...rest, words: { balance } },
      { ...rest, words: { connect: 300 } },
    ]);
    expect(unheeded).toEqual(notes);
  });

  it('hands the time to connect on as policy of the service, whatever its subsets', () => {
    const { policies } = planOf(
      { ...subsets, ConnectTimeout: '1s', Failover: { '*': { Service: 'spare' } } },
      { Kind: 'service-resolver', Name: 'spare', ConnectTimeout: '2s' },
    );
    // That of another service is said where it is called itself.
    expect(policies.map(({ service, words }) => [service, words])).toEqual([['web', { connect: 1000 }]]);
  });

  it('never calls what lies in other namespaces, partitions and clusters', () => {
    const chain = chainOf('web', { Kind: 'service-resolver', Name: 'web', Redirect: { Service: 'moved' } });
    const id = 'moved.default.dc1';
    for (const [field, value] of Object.entries({ Namespace: 'n', Partition: 'n', Peer: 'n' })) {
      const Targets = { [id]: { ...chain.Targets[id]!, [field]: value } };
      const { table, targets, unheeded } = compile({ ...chain, Targets });
      expect(table!.rules[0]!.legs).toEqual([{ weight: 100, targets: [] }]);
      expect(targets).toEqual([]);
      expect(unheeded[0]).toContain(`target ${id}: never called`);
    }
  });

  it('names gateways and names of TLS that it passes by', () => {
    const chain = chainOf('web', { Kind: 'service-resolver', Name: 'web', Redirect: { Datacenter: 'dc2' } });
    const id = 'web.default.dc2';
    const target = { ...chain.Targets[id]!, MeshGateway: { Mode: 'local' }, External: true };
    expect(compile({ ...chain, Targets: { [id]: target } }).unheeded).toEqual([
      `target ${id}: called directly, its mesh gateway (mode local) is not honoured`,
      `target ${id}: its ExternalSNI is not honoured`,
      expect.stringContaining("its protocol is 'tcp'"),
    ]);
  });
});

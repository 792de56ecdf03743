import { describe, expect, it } from 'vitest';
import { developmentAgents, queriesWait } from '../../support/development-agent.ts';

const start = developmentAgents();

const grpc = { Kind: 'service-defaults', Name: 'db', Protocol: 'grpc' };
const entry = (...Sources: object[]) => ({ Kind: 'service-intentions', Name: 'db', Sources });
const reads = { Action: 'allow', HTTP: { PathPrefix: '/db.Read/', Methods: ['post'] } };
const match = '/v1/connect/intentions/match?by=destination&name=db';

describe('service-intentions of the development agent, as since 1.9', () => {
  it('stand in the match with their permissions, the most exact source first', async () => {
    const { api } = await start();
    await api.put('/v1/config', grpc);
    expect(
      (
        await api.put(
          '/v1/config',
          entry({ Name: '*', Action: 'deny' }, { Name: 'web', Permissions: [reads] }),
        )
      ).json(),
    ).toBe(true);
    const found = (await api.get(match)).json().db;
    expect(found).toMatchObject([
      {
        SourceName: 'web',
        DestinationName: 'db',
        Precedence: 9,
        Permissions: [{ Action: 'allow', HTTP: { PathPrefix: '/db.Read/', Methods: ['POST'] } }],
      },
      { SourceName: '*', DestinationName: 'db', Precedence: 8, Action: 'deny' },
    ]);
    expect(found[0]).not.toHaveProperty('Action');
    expect(found[1]).not.toHaveProperty('Permissions');
    expect((await api.get('/v1/config/service-intentions/db')).json()).toMatchObject({
      Kind: 'service-intentions',
      Name: 'db',
      Sources: [{ Name: 'web' }, { Name: '*' }],
    });
    expect((await api.get('/v1/config/service-intentions')).json()).toHaveLength(1);
  });

  it('count as deny where a connection is judged and not a request', async () => {
    const { api } = await start();
    await api.put('/v1/config', grpc);
    await api.put('/v1/config', entry({ Name: 'web', Permissions: [reads] }));
    const caller = {
      Target: 'db',
      ClientCertURI: 'spiffe://x/ns/default/dc/dc1/svc/web',
      ClientCertSerial: 'a',
    };
    const { Authorized, Reason } = (await api.post('/v1/agent/connect/authorize', caller)).json();
    expect([Authorized, Reason]).toEqual([false, expect.stringMatching(/^Matched L7 intention: /)]);
  });

  it('wake who waits for the match, when they are written and when they go', async () => {
    const { api, agent } = await start();
    for (const write of [
      () => api.put('/v1/config', entry({ Name: 'web', Action: 'deny' })),
      () => api.delete('/v1/config/service-intentions/db'),
    ]) {
      const { index } = await api.get(match);
      const held = api.get(`${match}&index=${index}&wait=10m`);
      await queriesWait(agent);
      await write();
      await held;
    }
    expect((await api.get(match)).json()).toEqual({ db: null });
    expect((await api.get('/v1/config/service-intentions/db')).status).toBe(404);
  });

  it('take the place of what was written one by one, which is refused from then on', async () => {
    const { api } = await start();
    await api.post('/v1/connect/intentions', { SourceName: 'old', DestinationName: 'db', Action: 'allow' });
    await api.put('/v1/config', entry({ Name: 'web', Action: 'deny' }));
    expect((await api.get(match)).json().db.map((one: { SourceName: string }) => one.SourceName)).toEqual([
      'web',
    ]);
    const exact = '/v1/connect/intentions/exact?source=web&destination=db';
    expect((await api.put(exact, { Action: 'allow' })).status).toBe(400);
    expect((await api.delete(exact)).status).toBe(400);
  });

  it('are written under cas like any other entry', async () => {
    const { api } = await start();
    const written = entry({ Name: 'web', Action: 'deny' });
    expect((await api.put('/v1/config?cas=1', written)).json()).toBe(false);
    expect((await api.put('/v1/config?cas=0', written)).json()).toBe(true);
    const { ModifyIndex } = (await api.get('/v1/config/service-intentions/db')).json();
    expect((await api.put(`/v1/config?cas=${ModifyIndex}`, written)).json()).toBe(true);
  });

  it.each<[string, object, string]>([
    ['no source', entry(), 'At least one source is required'],
    ['no action', entry({ Name: 'web' }), "Sources[0].Action must be set to 'allow' or 'deny'"],
    [
      'an action beside permissions',
      entry({ Name: 'web', Action: 'allow', Permissions: [reads] }),
      'Sources[0].Action must be omitted if Permissions are specified',
    ],
    [
      'one source twice',
      entry({ Name: 'a', Action: 'deny' }, { Name: 'a', Action: 'allow' }),
      'defines "a" more than once',
    ],
    [
      'half a wildcard',
      entry({ Name: 'a*', Action: 'deny' }),
      "wildcard character '*' cannot be used with partial values",
    ],
    [
      'permissions on all destinations',
      { ...entry({ Name: 'a', Permissions: [reads] }), Name: '*' },
      'Permissions cannot be specified on intentions with wildcarded destinations',
    ],
    [
      'two paths',
      entry({ Name: 'a', Permissions: [{ Action: 'deny', HTTP: { PathExact: '/a', PathPrefix: '/a' } }] }),
      'at most one of PathExact, PathPrefix, or PathRegex',
    ],
    [
      'a path without its slash',
      entry({ Name: 'a', Permissions: [{ Action: 'deny', HTTP: { PathExact: 'a' } }] }),
      "PathExact doesn't start with '/': \"a\"",
    ],
    [
      'nothing asked',
      entry({ Name: 'a', Permissions: [{ Action: 'deny', HTTP: {} }] }),
      'HTTP should not be empty',
    ],
    [
      'a header in two ways',
      entry({
        Name: 'a',
        Permissions: [{ Action: 'deny', HTTP: { Header: [{ Name: 'x', Exact: 'a', Regex: 'b' }] } }],
      }),
      'should only contain one of Present, Exact, Prefix, Suffix, or Regex',
    ],
    [
      'a word that nobody knows',
      entry({ Name: 'a', Action: 'deny', Until: 'noon' }),
      'unknown field "Until"',
    ],
  ])('are refused with %s', async (_, written, why) => {
    const { api } = await start();
    await api.put('/v1/config', grpc);
    const { status, text } = await api.put('/v1/config', written);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(text).toContain(why);
  });

  it('have no permissions where calls cannot be told apart', async () => {
    const { api } = await start();
    const { status, text } = await api.put('/v1/config', entry({ Name: 'web', Permissions: [reads] }));
    expect([status, text]).toEqual([
      500,
      expect.stringContaining('does not define its protocol as http, http2 or grpc'),
    ]);
  });
});

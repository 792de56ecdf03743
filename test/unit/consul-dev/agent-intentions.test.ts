import { describe, expect, it } from 'vitest';
import { developmentAgents, queriesWait } from '../../support/development-agent.ts';

const start = developmentAgents();

describe('the development agent’s intentions', () => {
  const caller = {
    Target: 'db',
    ClientCertURI: 'spiffe://x/ns/default/dc/dc1/svc/web',
    ClientCertSerial: 'a',
  };

  it('fall back on the default that it was started with', async () => {
    const { api } = await start({ defaultAllow: false });
    expect((await api.post('/v1/agent/connect/authorize', caller)).json()).toEqual({
      Authorized: false,
      Reason: 'Default behavior configured by ACLs',
    });
  });

  it('are written by their names too, as since 1.9', async () => {
    const { api } = await start();
    const exact = '/v1/connect/intentions/exact?source=web&destination=db';
    expect((await api.get(exact)).status).toBe(404);
    expect((await api.put(exact, { Action: 'deny' })).json()).toBe(true);
    const first = (await api.get(exact)).json();
    expect((await api.put(exact, { Action: 'allow', Description: 'again' })).json()).toBe(true);
    expect((await api.get(exact)).json()).toMatchObject({
      ID: first.ID,
      Action: 'allow',
      Description: 'again',
    });
    expect((await api.delete(exact)).json()).toBe(true);
    expect((await api.get('/v1/connect/intentions')).json()).toEqual([]);
  });

  it('tell the index of a match as newer agents do, or keep it back as 1.8 does', async () => {
    const match = '/v1/connect/intentions/match?by=destination&name=db';
    const newer = await start();
    expect((await newer.api.get(match)).index).toBeGreaterThan(0);
    const older = await start({ matchIndex: false });
    expect((await older.api.get(match)).headers.get('x-consul-index')).toBeNull();
    const { index } = await older.api.get('/v1/connect/intentions');
    const held = older.api.get(`${match}&index=${index}&wait=10m`);
    await queriesWait(older.agent);
    await older.api.post('/v1/connect/intentions', {
      SourceName: '*',
      DestinationName: 'db',
      Action: 'deny',
    });
    expect((await held).json().db).toHaveLength(1);
  });
});

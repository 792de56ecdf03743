import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiOf } from '../../support/consul-api.ts';
import { absentStories } from './absent.ts';
import { blockingQueriesStories } from './blocking-queries.ts';
import { certificatesStories } from './certificates.ts';
import { checksStories } from './checks.ts';
import { filtersStories } from './filters.ts';
import { type Agent, type Ground, open } from './ground.ts';
import { intentionsStories } from './intentions.ts';
import { kvStories } from './kv.ts';
import { routesStories } from './routes.ts';
import { servicesStories } from './services.ts';

/** What any agent that speaks Consul's API must do for us: the same suite for a real one and for ours. */
export const consulContract = (name: string, start: () => Promise<Agent>, ground: Ground = open): void => {
  describe(`the Consul API as we use it, spoken by ${name}`, () => {
    let agent: Agent;
    const api = apiOf(
      () => agent.url,
      () => agent.manner ?? {},
    );

    beforeAll(async () => {
      agent = await start();
    });
    afterAll(() => agent?.close());

    servicesStories(api);
    checksStories(api);
    blockingQueriesStories(api);
    absentStories(api, ground);
    filtersStories(api);
    certificatesStories(api, ground);
    intentionsStories(api, ground);
    kvStories(api);
    routesStories(api);

    it.skipIf(!ground.ours)('says who leads and who it is', async () => {
      expect((await api.get('/v1/status/leader')).json()).toMatch(/^127\.0\.0\.1:\d+$/);
      expect((await api.get('/v1/status/peers')).json()).toHaveLength(1);
      expect((await api.get('/v1/agent/self')).json().Config).toMatchObject({
        Datacenter: 'dc1',
        Server: true,
      });
      expect((await api.get('/v1/catalog/nodes')).json()).toHaveLength(1);
    });
  });
};

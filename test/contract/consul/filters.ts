import { beforeAll, describe, expect, it } from 'vitest';
import { type Api, idsOf } from '../../support/consul-api.ts';
import { registerPair } from '../../support/consul-pair.ts';

/** Filter expressions on what an agent lists. */
export const filtersStories = (api: Api): void => {
  describe('filters', () => {
    const passing = async (filter: string) =>
      idsOf(await api.get(`/v1/health/service/sieved?filter=${encodeURIComponent(filter)}`));

    beforeAll(() => registerPair(api, 'sieved', { version: '2' }, ['canary', 'eu']));

    it.each([
      'Service.Meta.version == 2',
      'Service.Meta.version == "2"',
      'Service.Meta["version"]==2',
      'Service.Meta.version != 1',
      'Service.Meta.missing != 1',
      'Service.Meta contains version',
      'Service.Tags contains canary',
      '"canary" in Service.Tags',
      'us not in Service.Tags',
      'Service.Tags is not empty',
      'Checks.Status == passing',
      'Service.Service contains siev',
      'Service.Port == 50051 and (Service.Meta.version == 9 or not Service.Tags contains us)',
      'Service.Meta.version == 9 and Service.Port == 1 or Service.Port == 50051',
    ])('lets through: %s', async (filter) => {
      expect(await passing(filter)).toEqual(['sieved-1']);
    });

    it.each([
      'Service.Meta.version == 1',
      'Service.Meta.missing == 2',
      'Service.Tags contains can',
      'Service.Tags is empty',
      'not (Service.Meta.version == 2)',
      'Checks.Status == critical',
      'Service.Meta.version == 2 and Service.Port == 1',
      'Node.Meta.x == 1',
    ])('holds back: %s', async (filter) => {
      expect(await passing(filter)).toEqual([]);
    });

    it.each([
      ['Service.Foo == 1', 'Selector "Service.Foo" is not valid'],
      ['Service.Tags == a', 'Invalid match operator "Equal" for selector "Service.Tags"'],
      ['Service.Port == abc', 'Failed to coerce value "abc" for selector "Service.Port"'],
      ['Service.Port ==', 'no match found'],
      ['Service.Port == 1 and', 'no match found'],
    ])('refuses %s', async (filter, why) => {
      const answer = await api.get(`/v1/health/service/sieved?filter=${encodeURIComponent(filter)}`);
      expect(answer.status).toBe(500);
      expect(answer.text).toContain('Failed to create boolean expression evaluator: ');
      expect(answer.text).toContain(why);
      expect(answer.index).toBe(1);
    });

    it('looks at the proxy, where the instances of a subset are asked for', async () => {
      const connect = async (filter: string) =>
        idsOf(await api.get(`/v1/health/connect/sieved?passing&filter=${encodeURIComponent(filter)}`));
      expect(await connect('Service.Meta.version == 2')).toEqual([]);
      expect(await connect('Service.Kind == "connect-proxy" and Service.Port == 15002')).toEqual([
        'sieved-1-sidecar-proxy',
      ]);
    });

    it('knows no other datacenter', async () => {
      const answer = await api.get('/v1/health/connect/sieved?passing&dc=dc2');
      expect([answer.status, answer.text]).toEqual([500, 'No path to datacenter']);
    });
  });
};

import { describe, expect, it } from 'vitest';
import { type Api, idsOf } from '../../support/consul-api.ts';
import { registerPair } from '../../support/consul-pair.ts';

/** Queries that wait until something changes. */
export const blockingQueriesStories = (api: Api): void => {
  describe('blocking queries', () => {
    it('hold while nothing that concerns them is written, and come back after the wait', async () => {
      await registerPair(api, 'steady');
      const { index } = await api.get('/v1/health/service/steady');
      const held = api.get(`/v1/health/service/steady?index=${index}&wait=400ms`);
      await api.put('/v1/agent/service/register', { Name: 'noise', Port: 1 });
      await api.put('/v1/kv/noise', 'x');
      const answer = await held;
      expect(answer.took).toBeGreaterThan(390);
      expect(answer.took).toBeLessThan(3000);
      expect(answer.index).toBe(index);
      expect(idsOf(answer)).toEqual(['steady-1']);
    });

    it('wake at once when their service changes', async () => {
      await registerPair(api, 'moving');
      const app = await api.get('/v1/health/service/moving');
      const proxy = await api.get('/v1/health/connect/moving?passing');
      const held = api.get(`/v1/health/service/moving?index=${app.index}&wait=10s`);
      const heldProxy = api.get(`/v1/health/connect/moving?passing&index=${proxy.index}&wait=10s`);
      await api.put('/v1/agent/check/fail/moving-app');
      const answer = await held;
      expect(answer.took).toBeLessThan(3000);
      expect(answer.index).toBeGreaterThan(app.index);
      const answerProxy = await heldProxy;
      expect(answerProxy.took).toBeLessThan(3000);
      expect(answerProxy.index).toBeGreaterThan(proxy.index);
      expect(answerProxy.json()).toEqual([]);
    });

    it('wake for the first instance of a name never seen', async () => {
      const { index } = await api.get('/v1/health/connect/newcomer?passing');
      expect(index).toBeGreaterThan(0);
      const held = api.get(`/v1/health/connect/newcomer?passing&index=${index}&wait=10s`);
      await registerPair(api, 'newcomer');
      const answer = await held;
      expect(answer.took).toBeLessThan(3000);
      expect(answer.index).toBeGreaterThan(index);
    });

    it('say that a leader is known, and refuse what is no number', async () => {
      const answer = await api.get('/v1/health/service/any?stale');
      expect(answer.headers.get('x-consul-knownleader')).toBe('true');
      expect(answer.headers.get('x-consul-lastcontact')).toMatch(/^\d+$/);
      const bad = await api.get('/v1/health/service/any?index=abc');
      expect([bad.status, bad.text.trim()]).toEqual([400, 'Invalid index']);
      const wait = await api.get('/v1/health/service/any?index=1&wait=abc');
      expect([wait.status, wait.text.trim()]).toEqual([400, 'Invalid wait time']);
      expect((await api.get('/v1/health/service/any?consistent')).status).toBe(200);
      expect((await api.get('/v1/health/service/any?consistent&stale')).status).toBe(400);
    });

    it('answer from what the agent keeps when asked to, as fresh as any, and say so', async () => {
      await registerPair(api, 'kept');
      const said = ({ headers }: { headers: Headers }): (string | null)[] => [
        headers.get('x-cache'),
        headers.get('age'),
      ];
      for (const path of ['/v1/health/connect/kept?passing&stale', '/v1/discovery-chain/kept?stale']) {
        const first = await api.get(`${path}&cached`);
        const second = await api.get(`${path}&cached`);
        expect([said(first), said(second)]).toEqual([
          ['MISS', null],
          ['HIT', '0'],
        ]);
        expect(second.text).toBe(first.text);
        expect(second.index).toBeGreaterThan(0);
        expect(said(await api.get(path))).toEqual([null, null]);
      }
      await api.put('/v1/agent/check/fail/kept-app');
      const answer = await api.until(
        '/v1/health/connect/kept?passing&stale&cached',
        (now) => now.json().length === 0,
      );
      expect(answer.took).toBeLessThan(1000);
      const bad = await api.get('/v1/health/connect/kept?cached&consistent');
      expect([bad.status, bad.text.trim()]).toEqual([
        400,
        'Cannot specify ?cached with ?consistent, conflicting semantics.',
      ]);
      // What is not kept is answered as always.
      expect(said(await api.get('/v1/kv/kept?cached'))).toEqual([null, null]);
    });
  });
};

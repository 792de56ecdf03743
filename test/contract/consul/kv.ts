import { describe, expect, it } from 'vitest';
import type { Api } from '../../support/consul-api.ts';

/** Keys and values. */
export const kvStories = (api: Api): void => {
  describe('KV', () => {
    it('writes, reads, compares and deletes', async () => {
      expect((await api.get('/v1/kv/outrigger/test/book/none')).status).toBe(404);
      expect((await api.put('/v1/kv/outrigger/test/book/a', 'hello')).text.trim()).toBe('true');
      const [entry] = (await api.get('/v1/kv/outrigger/test/book/a')).json();
      expect(entry).toMatchObject({
        Key: 'outrigger/test/book/a',
        Value: 'aGVsbG8=',
        Flags: 0,
        LockIndex: 0,
      });
      expect((await api.get('/v1/kv/outrigger/test/book/a?raw')).text).toBe('hello');
      expect((await api.put('/v1/kv/outrigger/test/book/a?cas=0', 'x')).text.trim()).toBe('false');
      expect((await api.put(`/v1/kv/outrigger/test/book/a?cas=${entry.ModifyIndex}`, 'y')).text.trim()).toBe(
        'true',
      );
      await api.put('/v1/kv/outrigger/test/book/deep/b?flags=7', 'z');
      expect((await api.get('/v1/kv/outrigger/test/book?keys')).json()).toEqual([
        'outrigger/test/book/a',
        'outrigger/test/book/deep/b',
      ]);
      expect((await api.get('/v1/kv/outrigger/test/book/?keys&separator=/')).json()).toEqual([
        'outrigger/test/book/a',
        'outrigger/test/book/deep/',
      ]);
      expect(
        (await api.get('/v1/kv/outrigger/test/book/?recurse'))
          .json()
          .map((each: { Key: string; Flags: number }) => [each.Key, each.Flags]),
      ).toEqual([
        ['outrigger/test/book/a', 0],
        ['outrigger/test/book/deep/b', 7],
      ]);
      expect((await api.delete('/v1/kv/outrigger/test/book/a')).text.trim()).toBe('true');
      expect((await api.get('/v1/kv/outrigger/test/book/a')).status).toBe(404);
      expect((await api.delete('/v1/kv/outrigger/test/book?recurse')).text.trim()).toBe('true');
      const empty = await api.get('/v1/kv/outrigger/test/book?recurse');
      expect([empty.status, empty.text]).toEqual([404, '']);
      expect((await api.get('/v1/kv/')).text).toBe('Missing key name');
    });

    it('wakes a query under a prefix for a write there, and not for the same value again', async () => {
      await api.put('/v1/kv/outrigger/test/watched/a', '1');
      const { index } = await api.get('/v1/kv/outrigger/test/watched/?recurse');
      const held = api.get(`/v1/kv/outrigger/test/watched/?recurse&index=${index}&wait=400ms`);
      await api.put('/v1/kv/outrigger/unwatched', '1');
      await api.put('/v1/kv/outrigger/test/watched/a', '1');
      const quiet = await held;
      expect(quiet.took).toBeGreaterThan(390);
      expect(quiet.index).toBe(index);
      const woken = api.get(`/v1/kv/outrigger/test/watched/?recurse&index=${index}&wait=10s`);
      await api.put('/v1/kv/outrigger/test/watched/b', '2');
      const answer = await woken;
      expect(answer.took).toBeLessThan(3000);
      expect(answer.json()).toHaveLength(2);
      const deleted = api.get(`/v1/kv/outrigger/test/watched/?recurse&index=${answer.index}&wait=10s`);
      await api.delete('/v1/kv/outrigger/test/watched/b');
      expect((await deleted).index).toBeGreaterThan(answer.index);
    });
  });
};

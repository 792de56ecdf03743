import { describe, expect, it } from 'vitest';
import type { Api } from '../../support/consul-api.ts';

/** Keys and values. */
export const kvStories = (api: Api): void => {
  describe('KV', () => {
    it('writes, reads, compares and deletes', async () => {
      expect((await api.get('/v1/kv/book/none')).status).toBe(404);
      expect((await api.put('/v1/kv/book/a', 'hello')).text.trim()).toBe('true');
      const [entry] = (await api.get('/v1/kv/book/a')).json();
      expect(entry).toMatchObject({ Key: 'book/a', Value: 'aGVsbG8=', Flags: 0, LockIndex: 0 });
      expect((await api.get('/v1/kv/book/a?raw')).text).toBe('hello');
      expect((await api.put('/v1/kv/book/a?cas=0', 'x')).text.trim()).toBe('false');
      expect((await api.put(`/v1/kv/book/a?cas=${entry.ModifyIndex}`, 'y')).text.trim()).toBe('true');
      await api.put('/v1/kv/book/deep/b?flags=7', 'z');
      expect((await api.get('/v1/kv/book?keys')).json()).toEqual(['book/a', 'book/deep/b']);
      expect((await api.get('/v1/kv/book/?keys&separator=/')).json()).toEqual(['book/a', 'book/deep/']);
      expect(
        (await api.get('/v1/kv/book/?recurse'))
          .json()
          .map((each: { Key: string; Flags: number }) => [each.Key, each.Flags]),
      ).toEqual([
        ['book/a', 0],
        ['book/deep/b', 7],
      ]);
      expect((await api.delete('/v1/kv/book/a')).text.trim()).toBe('true');
      expect((await api.get('/v1/kv/book/a')).status).toBe(404);
      expect((await api.delete('/v1/kv/book?recurse')).text.trim()).toBe('true');
      const empty = await api.get('/v1/kv/book?recurse');
      expect([empty.status, empty.text]).toEqual([404, '']);
      expect((await api.get('/v1/kv/')).text).toBe('Missing key name');
    });

    it('wakes a query under a prefix for a write there, and not for the same value again', async () => {
      await api.put('/v1/kv/watched/a', '1');
      const { index } = await api.get('/v1/kv/watched/?recurse');
      const held = api.get(`/v1/kv/watched/?recurse&index=${index}&wait=400ms`);
      await api.put('/v1/kv/unwatched', '1');
      await api.put('/v1/kv/watched/a', '1');
      const quiet = await held;
      expect(quiet.took).toBeGreaterThan(390);
      expect(quiet.index).toBe(index);
      const woken = api.get(`/v1/kv/watched/?recurse&index=${index}&wait=10s`);
      await api.put('/v1/kv/watched/b', '2');
      const answer = await woken;
      expect(answer.took).toBeLessThan(3000);
      expect(answer.json()).toHaveLength(2);
      const deleted = api.get(`/v1/kv/watched/?recurse&index=${answer.index}&wait=10s`);
      await api.delete('/v1/kv/watched/b');
      expect((await deleted).index).toBeGreaterThan(answer.index);
    });
  });
};

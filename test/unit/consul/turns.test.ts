import { describe, expect, it } from 'vitest';
import { Turns } from '../../../sidecar/consul/turns.ts';
import { breathe } from '../../support/drive.ts';

const { signal } = new AbortController();

/** Work that ends when told. */
const held = (): { work: () => Promise<string>; begun: () => boolean; end: () => void } => {
  let end = (): void => {};
  let begun = false;
  const work = (): Promise<string> => {
    begun = true;
    return new Promise((settle) => {
      end = () => settle('done');
    });
  };
  return { work, begun: () => begun, end: () => end() };
};

describe('turns', () => {
  it('let two go on at once, and the urgent one first of those that stand in line', async () => {
    const turns = new Turns(2);
    const all = Array.from({ length: 4 }, held);
    const asked = all.map(({ work }, place) => turns.take(signal, place === 3, work));
    await breathe();
    expect(all.map(({ begun }) => begun())).toEqual([true, true, false, false]);
    expect(turns.waiting).toBe(2);
    all[0]!.end();
    await breathe();
    expect(all.map(({ begun }) => begun())).toEqual([true, true, false, true]);
    for (const place of [1, 3]) all[place]!.end();
    await breathe();
    all[2]!.end();
    expect(await Promise.all(asked)).toEqual(['done', 'done', 'done', 'done']);
    expect(turns.waiting).toBe(0);
  });

  it('go on after work that failed', async () => {
    const turns = new Turns(1);
    await expect(turns.take(signal, false, () => Promise.reject(new Error('no agent')))).rejects.toThrow(
      'no agent',
    );
    expect(await turns.take(signal, false, async () => 'done')).toBe('done');
  });

  it('are given up by who is told to stop, before and while it stands in line', async () => {
    const turns = new Turns(1);
    const first = held();
    const going = turns.take(signal, false, first.work);
    const stop = new AbortController();
    const waiting = turns.take(stop.signal, true, async () => 'never');
    stop.abort();
    expect(await waiting).toBeNull();
    expect(await turns.take(stop.signal, true, async () => 'never')).toBeNull();
    expect(turns.waiting).toBe(0);
    first.end();
    expect(await going).toBe('done');
  });
});

import { expect, it } from 'vitest';
import type { Question } from '../../../../sidecar/consul/door.ts';
import { lazily } from '../../../../sidecar/sources/chain/lazily.ts';
import { stillKit } from '../../../support/kit.ts';

it('looks seldom at what nobody calls, and at once again when somebody does', async () => {
  const { clock, pass } = stillKit();
  let wantedAt = clock.now();
  let asked = 0;
  const ask = lazily(
    clock,
    () => wantedAt,
    async () => ({ value: ++asked, index: 1n, lastContactMs: 0, knownLeader: true }),
  );
  const signal = new AbortController().signal;
  const look: Question = { signal, cached: true };
  const looks = async (ms: number): Promise<number> => {
    const before = asked;
    for (let at = 0; at < ms; at += 500) {
      pass(500);
      await ask(look);
    }
    return asked - before;
  };
  expect(await looks(29_000)).toBe(58);
  await looks(1000);
  expect(await looks(30_000)).toBe(6);
  wantedAt = clock.now();
  expect(await looks(500)).toBe(1);
  expect(await looks(29_000)).toBe(58);
  await looks(2000);
  // A question that hangs, and one of the leader, are never answered from memory.
  const before = asked;
  await ask({ signal, index: 1n, waitMs: 1000 });
  await ask({ signal, mode: 'consistent' });
  expect(asked - before).toBe(2);
});

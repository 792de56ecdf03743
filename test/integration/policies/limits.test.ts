import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { startAgent } from '../../../sidecar/consul-dev/index.ts';
import { apiOf } from '../../support/consul-api.ts';
import { closedAfterEach } from '../../support/kept.ts';
import { sumOf } from '../../support/sidecars.ts';
import { startMesh } from './mesh.ts';

const keep = closedAfterEach();
const key = '/v1/kv/outrigger/policy/echo';

/** Two instances of `echo` and a caller, under a limit that Consul's KV has. */
const limited = async (limit: object) => {
  const agent = keep(await startAgent());
  const api = apiOf(agent.url);
  const mesh = keep(await startMesh(agent.url));
  const { caller, client, apps } = mesh;
  const put = async (words: object): Promise<void> => {
    // Calls that are held until their deadline are failures: the service's gate would shut.
    await api.put(key, JSON.stringify({ limit: words, breaker: { mode: 'off' } }));
    const wanted = JSON.stringify(words);
    await until(() => JSON.stringify(caller.snapshot().policies.services.get('echo')?.all.limit) === wanted);
  };
  await put(limit);
  /** Calls that the apps have in their hands. */
  const held = () =>
    apps.reduce((sum, { seen }) => sum + seen.filter(({ path }) => path.endsWith('Slow')).length, 0);
  const hold = (count: number, deadlineMs = 10_000) =>
    Array.from({ length: count }, (_, at) => client.call('Slow', `k${at}`, { deadlineMs }));
  return { caller, client, put, held, hold };
};

const until = async (holds: () => boolean): Promise<void> => {
  const end = Date.now() + 5000;
  while (!holds()) {
    if (Date.now() > end) throw new Error('never');
    await pause(5);
  }
};

describe('a limit of calls in flight', () => {
  it('is kept exactly, and lets those that wait go within a second of being raised', async () => {
    const { caller, client, put, held, hold } = await limited({ 'in-flight': 20, waiting: 30 });
    const calls = hold(50, 3000);
    const waiting = () => sumOf(caller, 'outrigger_limit_waiting', 'echo');
    await until(() => waiting() === 30);
    await until(() => held() === 20);
    const refused = await client.call('Unary', 'm');
    expect(refused.code).toBe(8);
    expect(refused.message).toContain('limit.in-flight is 20 and limit.waiting is 30');
    expect(sumOf(caller, 'outrigger_limit_refused_total', 'echo')).toBe(1);
    expect(held()).toBe(20);
    await put({ 'in-flight': 32, waiting: 30 });
    await until(() => held() === 32);
    await pause(100);
    expect(held()).toBe(32);
    // Those that waited all the time end by their deadline, which ran meanwhile.
    for (const { code } of await Promise.all(calls)) expect(code).toBe(4);
    await until(() => waiting() === 0);
    expect((await client.call('Unary', 'm')).code).toBe(0);
  }, 30_000);

  it('holds nobody where it is as it is built in (control)', async () => {
    const { caller, held, hold } = await limited({ 'in-flight': 1024, waiting: 1024 });
    const calls = hold(50, 1500);
    await until(() => held() === 50);
    expect(sumOf(caller, 'outrigger_limit_waits_total', 'echo')).toBe(0);
    await Promise.all(calls);
  }, 30_000);
});

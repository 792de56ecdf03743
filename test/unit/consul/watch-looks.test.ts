import { describe, expect, it } from 'vitest';
import { ConsulError } from '../../../sidecar/consul/errors.ts';
import { Polls } from '../../../sidecar/consul/polls.ts';
import { letPass, type StartedWatch, startWatch } from '../../support/held-agent.ts';

/** Two watches of names that share `places`; the first has been called 5 s after the second. */
const two = (
  places: number,
): { polls: Polls; called: [number, number]; watches: [StartedWatch, StartedWatch] } => {
  const polls = new Polls(() => 0.5, places);
  const called: [number, number] = [6000, 1000];
  const start = (place: 0 | 1): StartedWatch => startWatch({ polls, wantedAt: () => called[place] });
  return { polls, called, watches: [start(0), start(1)] };
};

describe('a watch without a place to hang', () => {
  it('looks into the agent’s cache every 0.5 to 0.8 s, and hears what is new there', async () => {
    const { watches } = two(1);
    const [hanging, looking] = watches;
    for (const { agent } of watches) await agent.answer({ value: ['a'], index: 7n });
    expect(hanging.agent.last).toEqual({ mode: 'stale', index: 7n, waitMs: 27_000 });
    const { agent, kit, heard, finish } = looking;
    agent.always = () => ({ value: ['a'], index: 7n, cachedForMs: 0 });
    await letPass(kit, 60_000);
    // One each 650 ms, with the chance that stands still here; the bucket would have slowed it down to one in 15 s.
    expect(agent.questions.length).toBeGreaterThanOrEqual(85);
    expect(agent.questions.length).toBeLessThanOrEqual(94);
    expect(agent.last).toEqual({ mode: 'stale', cached: true, seen: new Map() });
    agent.always = () => ({ value: ['a', 'b'], index: 9n, cachedForMs: 0 });
    await letPass(kit, 700);
    expect(heard).toEqual([['a'], ['a', 'b']]);
    await finish();
    await hanging.finish();
  });

  it('hangs as soon as it is called 10 s after another, which then looks', async () => {
    const { called, watches } = two(1);
    for (const { agent } of watches) await agent.answer({ value: ['a'], index: 7n });
    const [first, second] = watches;
    called[1] = 16_000;
    second.agent.always = () => ({ value: ['a'], index: 8n, cachedForMs: 0 });
    await letPass(second.kit, 700);
    second.agent.always = null;
    await letPass(second.kit, 700);
    expect(second.agent.last).toEqual({ mode: 'stale', index: 8n, waitMs: 27_000 });
    await letPass(first.kit, 1400);
    expect(first.agent.last).toEqual({ mode: 'stale', cached: true, seen: new Map() });
    expect(first.kit.meter.count('outrigger_consul_failures_total', 'connect', 'stopped').value).toBe(0);
    for (const { finish } of watches) await finish();
  });

  it('holds an emptied list there as well, and asks the leader', async () => {
    const { watches } = two(1);
    for (const { agent } of watches) await agent.answer({ value: ['a'], index: 7n });
    const { agent, kit, heard } = watches[1];
    await letPass(kit, 700);
    await agent.answer({ value: [], index: 8n, cachedForMs: 0 });
    await letPass(kit, 500);
    expect(agent.last).toEqual({ mode: 'consistent' });
    await agent.answer({ value: [], index: 8n });
    expect(heard).toEqual([['a'], []]);
    for (const { finish } of watches) await finish();
  });

  it('does not believe a shorter list of an agent that has lost its servers', async () => {
    const { watches } = two(1);
    for (const { agent } of watches) await agent.answer({ value: ['a', 'b'], index: 7n });
    const { agent, kit, heard } = watches[1];
    await letPass(kit, 700);
    agent.always = () => ({ value: ['a'], index: 8n, cachedForMs: 30_000 });
    await agent.answer({ value: ['a'], index: 8n, cachedForMs: 30_000 });
    await letPass(kit, 5000);
    expect(heard).toEqual([['a', 'b']]);
    for (const { finish } of watches) await finish();
  });

  it('asks afresh after a failure, without the cache', async () => {
    const { watches } = two(1);
    for (const { agent } of watches) await agent.answer({ value: ['a'], index: 7n });
    const { agent, kit, finish } = watches[1];
    await letPass(kit, 700);
    await agent.answer(new ConsulError('status', 'Consul says 500', 500));
    await letPass(kit, 300);
    expect(agent.last).toEqual({ mode: 'stale' });
    await finish();
    await watches[0].finish();
  });

  it('has one question under way, and four with all its neighbours, when the agent is slow', async () => {
    const polls = new Polls(() => 0.5, 0);
    const watches = Array.from({ length: 9 }, () => startWatch({ polls, wantedAt: () => 1000 }));
    await letPass(watches[0]!.kit, 100);
    expect(watches.map(({ agent }) => agent.questions.length)).toEqual([1, 1, 1, 1, 0, 0, 0, 0, 0]);
    expect(polls.turns.waiting).toBe(5);
    for (const { finish } of watches) await finish();
    expect(polls.turns.waiting).toBe(0);
  });
});

import { describe, expect, it } from 'vitest';
import { ConsulError } from '../../../sidecar/consul/errors.ts';
import { letPass, startWatch } from '../../support/held-agent.ts';

describe('watch', () => {
  it('asks without an index first, then hangs at the index it was told', async () => {
    const { agent, heard, finish } = startWatch();
    expect(agent.last).toEqual({ mode: 'stale' });
    await agent.answer({ value: ['a'], index: 7n });
    expect(heard).toEqual([['a']]);
    expect(agent.last).toEqual({ mode: 'stale', index: 7n, waitMs: 27_000 });
    await finish();
  });

  it('tells on what differs, not what merely came again', async () => {
    const { agent, kit, heard, finish } = startWatch();
    await agent.answer({ value: ['a'], index: 7n });
    await agent.answer({ value: ['a'], index: 8n });
    await letPass(kit, 2000);
    await agent.answer({ value: ['a', 'b'], index: 9n });
    expect(heard).toEqual([['a'], ['a', 'b']]);
    await finish();
  });

  it('begins again without an index when the index goes back', async () => {
    const { agent, kit, finish } = startWatch();
    await agent.answer({ value: ['a'], index: 70n });
    await agent.answer({ value: ['a'], index: 3n });
    await letPass(kit, 2000);
    expect(agent.last).toEqual({ mode: 'stale' });
    await finish();
  });

  it('begins again without an index when there is none', async () => {
    const { agent, kit, finish } = startWatch();
    await agent.answer({ value: ['a'], index: null });
    await letPass(kit, 2000);
    expect(agent.last).toEqual({ mode: 'stale' });
    await finish();
  });

  it('keeps what it knows through failures, and pauses longer each time, up to 5 s', async () => {
    const { agent, kit, heard, finish } = startWatch();
    await agent.answer({ value: ['a'], index: 7n });
    agent.always = () => new ConsulError('status', 'Consul says 500', 500);
    await agent.answer(new ConsulError('status', 'Consul says 500', 500));
    await letPass(kit, 60_000);
    const times = agent.questions.slice(2).map(({ at }) => at);
    const pauses = times.slice(1).map((at, place) => at - times[place]!);
    expect(pauses.slice(0, 4).every((pause, place) => place === 0 || pause > pauses[place - 1]!)).toBe(true);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(5000);
    expect(agent.questions.slice(2).every(({ index }) => index === undefined)).toBe(true);
    expect(heard).toEqual([['a']]);
    expect(kit.meter.count('outrigger_consul_failures_total', 'connect', 'status').value).toBe(
      agent.questions.length - 1,
    );
    await finish();
  });

  it('says what is wrong, and when it is over', async () => {
    const troubles: (string | null)[] = [];
    const { agent, kit, finish } = startWatch({ trouble: (error) => troubles.push(error?.message ?? null) });
    await agent.answer(new ConsulError('refused', 'no agent'));
    await letPass(kit, 300);
    await agent.answer({ value: ['a'] });
    expect(troubles).toEqual(['no agent', null]);
    await finish();
  });

  it('asks a restless agent 20 times in a minute, not 10,000 times', async () => {
    const { agent, kit, finish } = startWatch();
    let index = 1n;
    agent.always = () => ({ value: ['a'], index: index++ });
    await agent.answer({ value: ['a'], index: index++ });
    await letPass(kit, 60_000);
    expect(agent.questions.length).toBeGreaterThanOrEqual(15);
    expect(agent.questions.length).toBeLessThanOrEqual(20);
    await finish();
  });

  it('hears news within half a second though the index moved ten times for nothing', async () => {
    const { agent, kit, heard, finish } = startWatch();
    let index = 1n;
    agent.always = () => ({ value: ['a'], index: index++ });
    await agent.answer({ value: ['a'], index: index++ });
    await letPass(kit, 5000);
    agent.always = () => ({ value: ['a', 'b'], index: index++ });
    await letPass(kit, 550);
    expect(heard).toEqual([['a'], ['a', 'b']]);
    await finish();
  });

  it('would ask without end if nothing bounded it (control)', async () => {
    const { agent, stop, over } = startWatch({ bucket: { take: () => 0, judge: () => {} } });
    let index = 1n;
    agent.always = () => {
      if (index > 5000n) stop.abort();
      return { value: ['a'], index: index++ };
    };
    await agent.answer({ value: ['a'], index: index++ });
    await over;
    expect(agent.questions.length).toBeGreaterThan(4000);
  });

  it('stops at once while a question hangs, and while it pauses', async () => {
    const hanging = startWatch();
    await hanging.agent.answer({ value: ['a'], index: 7n });
    await hanging.finish();
    const pausing = startWatch();
    await pausing.agent.answer(new ConsulError('refused', 'no agent'));
    expect(pausing.kit.wheel.size).toBe(1);
    await pausing.finish();
    expect(pausing.agent.questions.length).toBe(1);
  });
});

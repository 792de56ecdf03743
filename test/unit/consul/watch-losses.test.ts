import { describe, expect, it } from 'vitest';
import { ConsulError } from '../../../sidecar/consul/errors.ts';
import { Polls } from '../../../sidecar/consul/polls.ts';
import { watch } from '../../../sidecar/consul/watch.ts';
import { HeldAgent, type List, letPass, startWatch } from '../../support/held-agent.ts';
import { stillKit } from '../../support/kit.ts';

describe('watch', () => {
  it('believes an emptied list once a consistent read has said so too', async () => {
    const { agent, kit, heard, finish } = startWatch();
    await agent.answer({ value: ['a'], index: 7n });
    await agent.answer({ value: [], index: 8n });
    expect(heard).toEqual([['a']]);
    await letPass(kit, 500);
    expect(agent.last).toEqual({ mode: 'consistent' });
    await agent.answer({ value: [], index: 8n });
    expect(heard).toEqual([['a'], []]);
    expect(kit.meter.count('outrigger_consul_held_total', 'connect').value).toBe(1);
    await finish();
  });

  it('goes on with the list when the consistent read still has it', async () => {
    const { agent, kit, heard, finish } = startWatch();
    await agent.answer({ value: ['a'], index: 7n });
    await agent.answer({ value: [], index: 8n });
    await letPass(kit, 500);
    await agent.answer({ value: ['a'], index: 8n });
    expect(heard).toEqual([['a']]);
    expect(agent.last.index).toBe(8n);
    await finish();
  });

  it('holds the list two minutes when Consul was wiped: empty, and a lower index', async () => {
    const { agent, kit, heard, finish } = startWatch();
    await agent.answer({ value: ['a'], index: 70n });
    agent.always = () => ({ value: [], index: 4n });
    await agent.answer({ value: [], index: 3n });
    await letPass(kit, 119_000);
    expect(heard).toEqual([['a']]);
    await letPass(kit, 5000);
    expect(heard).toEqual([['a'], []]);
    await finish();
  });

  it('finds the list again when agents push their services to a wiped Consul', async () => {
    const { agent, kit, heard, finish } = startWatch();
    await agent.answer({ value: ['a'], index: 70n });
    agent.always = () => ({ value: [], index: 4n });
    await agent.answer({ value: [], index: 3n });
    await letPass(kit, 30_000);
    agent.always = () => ({ value: ['a', 'b'], index: 9n });
    await letPass(kit, 2100);
    expect(heard).toEqual([['a'], ['a', 'b']]);
    await finish();
  });

  it('holds a shorter list 10 s after a failure, and takes it at once without one', async () => {
    const { agent, kit, heard, finish } = startWatch();
    await agent.answer({ value: ['a', 'b', 'c'], index: 70n });
    await agent.answer({ value: ['a', 'b'], index: 71n });
    expect(heard.length).toBe(2);
    await letPass(kit, 1000);
    await agent.answer(new ConsulError('refused', 'the agent restarts'));
    await letPass(kit, 1000);
    agent.always = () => ({ value: ['a'], index: 5n });
    await agent.answer({ value: ['a'], index: 4n });
    await letPass(kit, 9000);
    expect(heard.length).toBe(2);
    await letPass(kit, 3000);
    expect(heard).toEqual([['a', 'b', 'c'], ['a', 'b'], ['a']]);
    await finish();
  });

  it('sees nobody leave while all come back to a restarted agent one by one', async () => {
    const { agent, kit, heard, finish } = startWatch();
    await agent.answer({ value: ['a', 'b'], index: 70n });
    await agent.answer(new ConsulError('refused', 'the agent restarts'));
    await letPass(kit, 1000);
    agent.always = () => ({ value: ['b'], index: 5n });
    await agent.answer({ value: [], index: 4n });
    await letPass(kit, 4000);
    agent.always = () => ({ value: ['a', 'b'], index: 6n });
    await letPass(kit, 4000);
    expect(heard).toEqual([['a', 'b']]);
    await finish();
  });

  it('sees nobody leave when servers hear late that an agent was gone, and empty its list once it is back', async () => {
    const { agent, kit, heard, finish } = startWatch();
    await agent.answer({ value: ['a', 'b'], index: 70n });
    await agent.answer(new ConsulError('refused', 'the agent restarts'));
    await letPass(kit, 1000);
    await agent.answer({ value: ['a', 'b'], index: 71n });
    await letPass(kit, 150);
    agent.always = () => ({ value: [], index: 72n });
    await agent.answer({ value: [], index: 72n });
    await letPass(kit, 3000);
    agent.always = () => ({ value: ['a', 'b'], index: 73n });
    await letPass(kit, 3000);
    expect(heard).toEqual([['a', 'b']]);
    await finish();
  });

  it('believes losses as ever once the agent has been back for 10 s', async () => {
    const { agent, kit, heard, finish } = startWatch();
    await agent.answer({ value: ['a', 'b'], index: 70n });
    await agent.answer(new ConsulError('refused', 'the agent restarts'));
    await letPass(kit, 1000);
    await agent.answer({ value: ['a', 'b'], index: 71n });
    await letPass(kit, 10_000);
    await agent.answer({ value: ['a'], index: 72n });
    expect(heard).toEqual([['a', 'b'], ['a']]);
    await finish();
  });

  it('believes at once what servers say that have a leader again: the agent was there all the time', async () => {
    const { agent, kit, heard, finish } = startWatch();
    await agent.answer({ value: ['a', 'b'], index: 70n });
    await agent.answer(new ConsulError('status', 'No cluster leader', 500));
    await letPass(kit, 1000);
    await agent.answer({ value: ['a', 'b'], index: 71n });
    await agent.answer({ value: ['a'], index: 72n });
    expect(heard).toEqual([['a', 'b'], ['a']]);
    await finish();
  });

  it('does not believe an emptied list while there is no leader, however long', async () => {
    const { agent, kit, heard, finish } = startWatch();
    await agent.answer({ value: ['a'], index: 70n });
    agent.always = () => ({ value: [], index: 71n, knownLeader: false });
    await agent.answer({ value: [], index: 71n, knownLeader: false });
    await letPass(kit, 200_000);
    expect(heard).toEqual([['a']]);
    expect(kit.meter.count('outrigger_consul_stale', 'connect').value).toBe(1);
    await finish();
  });

  it('would believe a wiped Consul at its first word without that care (control)', async () => {
    const kit = stillKit();
    const agent = new HeldAgent(kit);
    const heard: List[] = [];
    const stop = new AbortController();
    const over = watch<List>({
      kind: 'connect',
      about: 'inventory',
      ask: agent.ask,
      hear: (value) => heard.push(value),
      mode: 'stale',
      polls: new Polls(() => 0.5),
      kit,
      signal: stop.signal,
    });
    await agent.answer({ value: ['a'], index: 70n });
    await agent.answer({ value: [], index: 3n });
    expect(heard).toEqual([['a'], []]);
    stop.abort();
    await over;
  });

  it('asks the leader once when an answer is too old, and takes the old one until then', async () => {
    const { agent, heard, finish } = startWatch();
    await agent.answer({ value: ['old'], index: 7n, lastContactMs: 2001 });
    expect(heard).toEqual([['old']]);
    expect(agent.last).toEqual({ mode: 'consistent' });
    await agent.answer({ value: ['new'], index: 9n });
    expect(heard).toEqual([['old'], ['new']]);
    expect(agent.last).toEqual({ mode: 'stale', index: 7n, waitMs: 27_000 });
    await finish();
  });

  it('lives with the old answer when the leader is gone', async () => {
    const { agent, kit, heard, finish } = startWatch();
    await agent.answer({ value: ['old'], index: 7n, lastContactMs: 15_500, knownLeader: false });
    await agent.answer(new ConsulError('status', 'no leader', 500));
    expect(heard).toEqual([['old']]);
    expect(agent.last.index).toBe(7n);
    expect(kit.meter.count('outrigger_consul_stale', 'connect').value).toBe(1);
    await finish();
  });
});

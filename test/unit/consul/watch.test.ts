import { describe, expect, it } from 'vitest';
import type { Answer, Question } from '../../../sidecar/consul/door.ts';
import { ConsulError } from '../../../sidecar/consul/errors.ts';
import { lossesOf } from '../../../sidecar/consul/losses.ts';
import { Polls } from '../../../sidecar/consul/polls.ts';
import { type WatchOptions, watch } from '../../../sidecar/consul/watch.ts';
import { type StillKit, stillKit } from '../../support/kit.ts';
import { breathe } from './drive.ts';

type List = readonly string[];
type Reply = Partial<Answer<List>> | ConsulError;

/** An agent that answers what the test says, when the test says. */
class ScriptedAgent {
  readonly questions: (Omit<Question, 'signal'> & { at: number })[] = [];
  readonly kit: StillKit;
  #pending: ((reply: Reply) => void) | null = null;
  /** Answers every question at once, when set. */
  always: (() => Reply) | null = null;

  constructor(kit: StillKit) {
    this.kit = kit;
  }

  ask = ({ signal, ...question }: Question): Promise<Answer<List>> => {
    this.questions.push({ ...question, at: this.kit.clock.now() });
    return new Promise((settle, reject) => {
      const stopped = (): void => reject(new ConsulError('stopped', 'stopped'));
      const answer = (reply: Reply): void => {
        signal.removeEventListener('abort', stopped);
        if (reply instanceof ConsulError) reject(reply);
        else settle({ value: [], index: 1n, lastContactMs: 0, knownLeader: true, ...reply });
      };
      signal.addEventListener('abort', stopped);
      if (this.always !== null) answer(this.always());
      else this.#pending = answer;
    });
  };

  async answer(reply: Reply): Promise<void> {
    const pending = this.#pending;
    if (pending === null) throw new Error('nothing was asked');
    this.#pending = null;
    pending(reply);
    await breathe();
  }

  get last(): Omit<Question, 'signal'> {
    const { at: _, ...question } = this.questions.at(-1)!;
    return question;
  }
}

const start = (options: Partial<WatchOptions<List>> = {}) => {
  const kit = stillKit();
  const agent = new ScriptedAgent(kit);
  const heard: List[] = [];
  const stop = new AbortController();
  const over = watch<List>({
    kind: 'connect',
    about: 'inventory',
    ask: agent.ask,
    hear: (value) => heard.push(value),
    losses: lossesOf,
    mode: 'stale',
    polls: new Polls(() => 0.5),
    kit,
    signal: stop.signal,
    ...options,
  });
  const finish = async (): Promise<void> => {
    stop.abort();
    await over;
    expect(kit.wheel.size).toBe(0);
  };
  return { kit, agent, heard, stop, over, finish };
};

const pass = async (kit: StillKit, ms: number): Promise<void> => {
  for (let gone = 0; gone < ms; gone += 50) {
    kit.pass(50);
    await breathe(2);
  }
};

describe('watch', () => {
  it('asks without an index first, then hangs at the index it was told', async () => {
    const { agent, heard, finish } = start();
    expect(agent.last).toEqual({ mode: 'stale' });
    await agent.answer({ value: ['a'], index: 7n });
    expect(heard).toEqual([['a']]);
    expect(agent.last).toEqual({ mode: 'stale', index: 7n, waitMs: 27_000 });
    await finish();
  });

  it('tells on what differs, not what merely came again', async () => {
    const { agent, kit, heard, finish } = start();
    await agent.answer({ value: ['a'], index: 7n });
    await agent.answer({ value: ['a'], index: 8n });
    await pass(kit, 2000);
    await agent.answer({ value: ['a', 'b'], index: 9n });
    expect(heard).toEqual([['a'], ['a', 'b']]);
    await finish();
  });

  it('begins again without an index when the index goes back', async () => {
    const { agent, kit, finish } = start();
    await agent.answer({ value: ['a'], index: 70n });
    await agent.answer({ value: ['a'], index: 3n });
    await pass(kit, 2000);
    expect(agent.last).toEqual({ mode: 'stale' });
    await finish();
  });

  it('begins again without an index when there is none', async () => {
    const { agent, kit, finish } = start();
    await agent.answer({ value: ['a'], index: null });
    await pass(kit, 2000);
    expect(agent.last).toEqual({ mode: 'stale' });
    await finish();
  });

  it('keeps what it knows through failures, and pauses longer each time, up to 5 s', async () => {
    const { agent, kit, heard, finish } = start();
    await agent.answer({ value: ['a'], index: 7n });
    agent.always = () => new ConsulError('status', 'Consul says 500', 500);
    await agent.answer(new ConsulError('status', 'Consul says 500', 500));
    await pass(kit, 60_000);
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
    const { agent, kit, finish } = start({ trouble: (error) => troubles.push(error?.message ?? null) });
    await agent.answer(new ConsulError('refused', 'no agent'));
    await pass(kit, 300);
    await agent.answer({ value: ['a'] });
    expect(troubles).toEqual(['no agent', null]);
    await finish();
  });

  it('asks a restless agent 10 times in a minute, not 10,000 times', async () => {
    const { agent, kit, finish } = start();
    let index = 1n;
    agent.always = () => ({ value: ['a'], index: index++ });
    await agent.answer({ value: ['a'], index: index++ });
    await pass(kit, 60_000);
    expect(agent.questions.length).toBeGreaterThanOrEqual(5);
    expect(agent.questions.length).toBeLessThanOrEqual(10);
    await finish();
  });

  it('would ask without end if nothing bounded it (control)', async () => {
    const { agent, stop, over } = start({ bucket: { take: () => 0, judge: () => {} } });
    let index = 1n;
    agent.always = () => {
      if (index > 5000n) stop.abort();
      return { value: ['a'], index: index++ };
    };
    await agent.answer({ value: ['a'], index: index++ });
    await over;
    expect(agent.questions.length).toBeGreaterThan(4000);
  });

  it('believes an emptied list once a consistent read has said so too', async () => {
    const { agent, kit, heard, finish } = start();
    await agent.answer({ value: ['a'], index: 7n });
    await agent.answer({ value: [], index: 8n });
    expect(heard).toEqual([['a']]);
    await pass(kit, 500);
    expect(agent.last).toEqual({ mode: 'consistent' });
    await agent.answer({ value: [], index: 8n });
    expect(heard).toEqual([['a'], []]);
    expect(kit.meter.count('outrigger_consul_held_total', 'connect').value).toBe(1);
    await finish();
  });

  it('goes on with the list when the consistent read still has it', async () => {
    const { agent, kit, heard, finish } = start();
    await agent.answer({ value: ['a'], index: 7n });
    await agent.answer({ value: [], index: 8n });
    await pass(kit, 500);
    await agent.answer({ value: ['a'], index: 8n });
    expect(heard).toEqual([['a']]);
    expect(agent.last.index).toBe(8n);
    await finish();
  });

  it('holds the list two minutes when Consul was wiped: empty, and a lower index', async () => {
    const { agent, kit, heard, finish } = start();
    await agent.answer({ value: ['a'], index: 70n });
    agent.always = () => ({ value: [], index: 4n });
    await agent.answer({ value: [], index: 3n });
    await pass(kit, 119_000);
    expect(heard).toEqual([['a']]);
    await pass(kit, 5000);
    expect(heard).toEqual([['a'], []]);
    await finish();
  });

  it('finds the list again when agents push their services to a wiped Consul', async () => {
    const { agent, kit, heard, finish } = start();
    await agent.answer({ value: ['a'], index: 70n });
    agent.always = () => ({ value: [], index: 4n });
    await agent.answer({ value: [], index: 3n });
    await pass(kit, 30_000);
    agent.always = () => ({ value: ['a', 'b'], index: 9n });
    await pass(kit, 2100);
    expect(heard).toEqual([['a'], ['a', 'b']]);
    await finish();
  });

  it('holds a shorter list 10 s after a failure, and takes it at once without one', async () => {
    const { agent, kit, heard, finish } = start();
    await agent.answer({ value: ['a', 'b', 'c'], index: 70n });
    await agent.answer({ value: ['a', 'b'], index: 71n });
    expect(heard.length).toBe(2);
    await pass(kit, 1000);
    await agent.answer(new ConsulError('refused', 'the agent restarts'));
    await pass(kit, 1000);
    agent.always = () => ({ value: ['a'], index: 5n });
    await agent.answer({ value: ['a'], index: 4n });
    await pass(kit, 9000);
    expect(heard.length).toBe(2);
    await pass(kit, 3000);
    expect(heard).toEqual([['a', 'b', 'c'], ['a', 'b'], ['a']]);
    await finish();
  });

  it('sees nobody leave while all come back to a restarted agent one by one', async () => {
    const { agent, kit, heard, finish } = start();
    await agent.answer({ value: ['a', 'b'], index: 70n });
    await agent.answer(new ConsulError('refused', 'the agent restarts'));
    await pass(kit, 1000);
    agent.always = () => ({ value: ['b'], index: 5n });
    await agent.answer({ value: [], index: 4n });
    await pass(kit, 4000);
    agent.always = () => ({ value: ['a', 'b'], index: 6n });
    await pass(kit, 4000);
    expect(heard).toEqual([['a', 'b']]);
    await finish();
  });

  it('does not believe an emptied list while there is no leader, however long', async () => {
    const { agent, kit, heard, finish } = start();
    await agent.answer({ value: ['a'], index: 70n });
    agent.always = () => ({ value: [], index: 71n, knownLeader: false });
    await agent.answer({ value: [], index: 71n, knownLeader: false });
    await pass(kit, 200_000);
    expect(heard).toEqual([['a']]);
    expect(kit.meter.count('outrigger_consul_stale', 'connect').value).toBe(1);
    await finish();
  });

  it('would believe a wiped Consul at its first word without that care (control)', async () => {
    const kit = stillKit();
    const agent = new ScriptedAgent(kit);
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
    const { agent, heard, finish } = start();
    await agent.answer({ value: ['old'], index: 7n, lastContactMs: 2001 });
    expect(heard).toEqual([['old']]);
    expect(agent.last).toEqual({ mode: 'consistent' });
    await agent.answer({ value: ['new'], index: 9n });
    expect(heard).toEqual([['old'], ['new']]);
    expect(agent.last).toEqual({ mode: 'stale', index: 7n, waitMs: 27_000 });
    await finish();
  });

  it('lives with the old answer when the leader is gone', async () => {
    const { agent, kit, heard, finish } = start();
    await agent.answer({ value: ['old'], index: 7n, lastContactMs: 15_500, knownLeader: false });
    await agent.answer(new ConsulError('status', 'no leader', 500));
    expect(heard).toEqual([['old']]);
    expect(agent.last.index).toBe(7n);
    expect(kit.meter.count('outrigger_consul_stale', 'connect').value).toBe(1);
    await finish();
  });

  it('stops at once while a question hangs, and while it pauses', async () => {
    const hanging = start();
    await hanging.agent.answer({ value: ['a'], index: 7n });
    await hanging.finish();
    const pausing = start();
    await pausing.agent.answer(new ConsulError('refused', 'no agent'));
    expect(pausing.kit.wheel.size).toBe(1);
    await pausing.finish();
    expect(pausing.agent.questions.length).toBe(1);
  });

  it('makes room when there are more watches than places, and all take short turns', async () => {
    const polls = new Polls(() => 0.5, 2);
    const [one, two, three] = [start({ polls }), start({ polls }), start({ polls })];
    for (const { agent } of [one, two, three]) await agent.answer({ value: ['a'], index: 7n });
    // The first makes room for the third, comes back, and the second makes room for it.
    expect(three.agent.last).toEqual({ mode: 'stale', index: 7n, waitMs: 1800 });
    await pass(one.kit, 1000);
    expect(one.agent.last).toEqual({ mode: 'stale', index: 7n, waitMs: 1800 });
    await pass(two.kit, 1000);
    expect(polls.waiting).toBe(1);
    await three.agent.answer({ value: ['a'], index: 7n });
    expect(two.agent.last).toEqual({ mode: 'stale', index: 7n, waitMs: 1800 });
    expect(one.kit.meter.count('outrigger_consul_failures_total', 'connect', 'stopped').value).toBe(0);
    for (const { finish } of [one, two, three]) await finish();
    expect(polls.waiting).toBe(0);
  });
});

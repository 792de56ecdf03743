import { expect } from 'vitest';
import type { Answer, Question } from '../../sidecar/consul/door.ts';
import { ConsulError } from '../../sidecar/consul/errors.ts';
import { lossesOf } from '../../sidecar/consul/losses.ts';
import { Polls } from '../../sidecar/consul/polls.ts';
import { type WatchOptions, watch } from '../../sidecar/consul/watch.ts';
import { breathe } from './drive.ts';
import { type StillKit, stillKit } from './kit.ts';

/** What the watches of these tests hear of. */
export type List = readonly string[];
type Reply = Partial<Answer<List>> | ConsulError;

/** An agent that answers what the test says, when the test says. */
export class HeldAgent {
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

/** A watch that has begun, with all that it stands on. */
export interface StartedWatch {
  readonly kit: StillKit;
  readonly agent: HeldAgent;
  readonly heard: List[];
  readonly stop: AbortController;
  readonly over: Promise<void>;
  /** Stops it; fails when it leaves a timer behind. */
  finish(): Promise<void>;
}

/** Starts one; `options` go over what it needs anyway. */
export const startWatch = (options: Partial<WatchOptions<List>> = {}): StartedWatch => {
  const kit = stillKit();
  const agent = new HeldAgent(kit);
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

/** Lets time go by, hearing the agent on the way. */
export const letPass = async (kit: StillKit, ms: number): Promise<void> => {
  for (let gone = 0; gone < ms; gone += 50) {
    kit.pass(50);
    await breathe(2);
  }
};

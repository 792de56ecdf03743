import { describe, expect, it } from 'vitest';
import { Life, type Waiter, type Witness } from '../../../sidecar/core/life.ts';
import { Code, ended, ok, type Status } from '../../../sidecar/core/status.ts';

const late = ended(Code.DEADLINE_EXCEEDED, 'late');

const setUp = () => {
  const log: string[] = [];
  const life = new Life(0);
  const waiter = (name: string): Waiter => ({
    cancelled: ({ code }) => void log.push(`${name} cancelled ${code}`),
  });
  const witness = (name: string): Witness => ({
    earlier: null,
    over: ({ code }: Status) => void log.push(`${name} over ${code}`),
  });
  return { log, life, waiter, witness };
};

describe('a life', () => {
  it('tells the waiter of a cancellation first, then the witnesses, from the last to the first', () => {
    const { log, life, waiter, witness } = setUp();
    life.wait(waiter('dial'));
    life.witness(witness('observe'));
    life.witness(witness('deadline'));
    life.cancel(late);
    expect(log).toEqual(['dial cancelled 4', 'deadline over 4', 'observe over 4']);
    expect(life.outcome).toBe(late);
  });

  it('ends once: the first outcome holds, everybody hears one', () => {
    const { log, life, waiter, witness } = setUp();
    life.wait(waiter('dial'));
    life.witness(witness('observe'));
    life.settle(ok);
    life.cancel(late);
    life.settle(late);
    expect(log).toEqual(['observe over 0']);
    expect(life.outcome).toBe(ok);
  });

  it('knows only the newest waiter, and lets only that one leave', () => {
    const { log, life, waiter } = setUp();
    const queue = waiter('queue');
    const attempt = waiter('attempt');
    life.wait(queue);
    life.wait(attempt);
    life.leave(queue);
    life.cancel(late);
    expect(log).toEqual(['attempt cancelled 4']);
  });

  it('tells at once what has happened already', () => {
    const { log, life, waiter, witness } = setUp();
    life.cancel(late);
    life.wait(waiter('dial'));
    life.witness(witness('observe'));
    expect(log).toEqual(['dial cancelled 4', 'observe over 4']);
  });

  it('forgets a witness wherever it stands', () => {
    for (const forgotten of [0, 1, 2]) {
      const { log, life, witness } = setUp();
      const witnesses = ['a', 'b', 'c'].map(witness);
      for (const each of witnesses) life.witness(each);
      life.forget(witnesses[forgotten]!);
      life.forget(witness('stranger'));
      life.settle(ok);
      expect(log).toEqual(['c over 0', 'b over 0', 'a over 0'].toSpliced(2 - forgotten, 1));
    }
  });

  it('tells spans after all other witnesses, the newest first, and each once', () => {
    const { log, life, witness } = setUp();
    life.witnessAsSpan(witness('call span'));
    life.witness(witness('observe'));
    life.witnessAsSpan(witness('attempt span'));
    life.settle(ok);
    life.cancel(late);
    expect(log).toEqual(['observe over 0', 'attempt span over 0', 'call span over 0']);
    life.witnessAsSpan(witness('late span'));
    expect(log.at(-1)).toBe('late span over 0');
  });

  it('forgets all spans, and no other witness', () => {
    const { log, life, witness } = setUp();
    life.witness(witness('observe'));
    life.witnessAsSpan(witness('call span'));
    life.forgetSpans();
    life.settle(ok);
    expect(log).toEqual(['observe over 0']);
  });

  it('says what the call waits for', () => {
    const { life, waiter } = setUp();
    expect(life.doing).toBe('');
    life.wait(waiter('silent'));
    expect(life.doing).toBe('');
    life.wait({ cancelled: () => {}, doing: 'waiting for a connection' });
    expect(life.doing).toBe('waiting for a connection');
  });

  it('may be settled from inside a cancellation without a second word', () => {
    const { log, life, witness } = setUp();
    life.wait({ cancelled: (status) => life.settle(status) });
    life.witness(witness('observe'));
    life.cancel(late);
    expect(log).toEqual(['observe over 4']);
  });
});

import { describe, expect, test } from 'vitest';
import { CallerBody } from '../../../sidecar/transports/caller-body.ts';
import { Recording, RecordingBudget } from '../../../sidecar/transports/recording.ts';
import { Loop, type Stream } from '../../../wire/index.ts';

const setting = (callLimit: number, processLimit = callLimit) => {
  const budget = new RecordingBudget(processLimit, new Loop().blocks);
  const credits: number[] = [];
  const stream = { credit: (bytes: number) => void credits.push(bytes) } as unknown as Stream;
  const body = new CallerBody(stream, new Recording(budget, callLimit));
  return { budget, body, credited: () => credits.reduce((sum, bytes) => sum + bytes, 0) };
};

const sink = () => {
  const got: string[] = [];
  return {
    got,
    write: (chunk: Uint8Array, start: number, end: number) =>
      void got.push(`${String.fromCharCode(chunk[start]!)}${end - start}`),
    end: () => void got.push('end'),
  };
};

const send = (body: CallerBody, letter: string, bytes: number) =>
  body.data(Buffer.alloc(bytes, letter), 0, bytes);

describe('the body of a call', () => {
  test('reaches another attempt from the first byte', () => {
    const { body, budget } = setting(1000);
    const first = sink();
    body.attach(first);
    send(body, 'a', 100);
    send(body, 'b', 200);
    body.end();
    body.detach(first);
    const second = sink();
    body.attach(second);
    expect([first.got, second.got]).toEqual([
      ['a100', 'b200', 'end'],
      ['a100', 'b200', 'end'],
    ]);
    body.close();
    expect(budget.held).toBe(0);
  });

  test('keeps its order when a later piece fits where an earlier one did not', () => {
    const { body } = setting(64_000);
    send(body, 'a', 60_000);
    send(body, 'b', 8000);
    send(body, 'c', 2000);
    const attempt = sink();
    body.attach(attempt);
    const letters = attempt.got.map((piece) => piece[0]).join('');
    expect(letters).toMatch(/^a+bc$/);
    expect(body.replayable).toBe(false);
  });

  test('is not recorded above the budget of the process, and flows all the same', () => {
    const { body, budget } = setting(1000, 150);
    const attempt = sink();
    body.attach(attempt);
    send(body, 'a', 100);
    expect(body.replayable).toBe(true);
    send(body, 'b', 100);
    expect([body.replayable, budget.held]).toEqual([false, 0]);
    expect(attempt.got).toEqual(['a100', 'b100']);
  });

  test('credits what was recorded at once, the rest as it leaves, and nothing twice', () => {
    const { body, credited } = setting(150);
    const attempt = sink();
    body.attach(attempt);
    send(body, 'a', 100);
    expect(credited()).toBe(100);
    send(body, 'b', 100);
    expect(credited()).toBe(100);
    body.taken(attempt, 100);
    expect(credited()).toBe(100);
    body.taken(attempt, 100);
    expect(credited()).toBe(200);
  });

  test('branches once all of it has come, for an attempt beside the first', () => {
    const { body, budget, credited } = setting(1000);
    const first = sink();
    body.attach(first);
    send(body, 'a', 100);
    expect(body.branch()).toBeNull(); // who knows what else comes
    send(body, 'b', 200);
    body.end();
    const branch = body.branch()!;
    expect([branch.ended, branch.replayable]).toEqual([true, true]);
    const second = sink();
    branch.attach(second);
    expect(second.got.at(-1)).toBe('end');
    expect(second.got.map((piece) => piece[0]).join('')).toMatch(/^a+b+e$/);
    branch.taken(second, 300);
    expect(credited()).toBe(300); // as it was recorded, and not again as it leaves
    expect(branch.branch()).not.toBeNull();
    expect(budget.held).toBe(300);
    branch.commit();
    expect([budget.held, branch.replayable, body.branch()]).toEqual([0, false, null]);
  });

  test('does not branch when it was not all recorded, nor when the call is over', () => {
    const long = setting(50);
    send(long.body, 'a', 100);
    long.body.end();
    expect(long.body.branch()).toBeNull();
    const over = setting(1000);
    over.body.end();
    expect(over.body.branch()).not.toBeNull(); // a request without a byte is a request
    over.body.close();
    expect(over.body.branch()).toBeNull();
  });
});

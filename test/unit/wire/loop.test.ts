import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Driven, Loop } from '../../../wire/loop.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setImmediate'] }));
afterEach(() => void vi.useRealTimers());

const counted = (): Driven & { ticks: number; flushes: number } => ({
  ticks: 0,
  flushes: 0,
  tick() {
    this.ticks++;
  },
  flush() {
    this.flushes++;
  },
  holders: () => [],
});

const timed = () => {
  const clock = { now: 1000 };
  const loop = new Loop({ now: () => clock.now });
  const driven = counted();
  loop.join(driven);
  const pass = (ms: number) => {
    clock.now += ms;
    vi.advanceTimersByTime(250);
    return driven.ticks;
  };
  return { loop, driven, pass };
};

test('connections tick four times a second, until the last has left', () => {
  const { loop, driven, pass } = timed();
  expect([pass(250), pass(250), pass(260)]).toEqual([1, 2, 3]);
  loop.leave(driven);
  expect(vi.getTimerCount()).toBe(0);
});

test('the first tick after a pause of the whole process is left out, so that nobody is blamed for it', () => {
  const { pass } = timed();
  expect([pass(250), pass(10_000), pass(250)]).toEqual([1, 1, 2]);
});

test('a loop that is always late ticks all the same', () => {
  const { pass } = timed();
  expect([pass(5000), pass(5000), pass(5000), pass(5000)]).toEqual([0, 1, 1, 2]);
});

test('a connection that asks is flushed once at the end of the turn', () => {
  const { loop, driven } = timed();
  loop.schedule(driven);
  expect(driven.flushes).toBe(0);
  vi.runAllTicks();
  vi.advanceTimersByTime(0);
  expect(driven.flushes).toBe(1);
});

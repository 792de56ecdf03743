import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { timer, Wheel } from '../../../sidecar/core/wheel.ts';

const clock = { now: () => performance.now(), wall: () => Date.now() };

/** Timers of Node that fired while `ms` went by. */
const wakes = (wheel: Wheel, ms: number): number => {
  const turns = vi.spyOn(wheel, 'turn');
  vi.advanceTimersByTime(ms);
  return turns.mock.calls.length;
};

describe('a wheel with little to do', () => {
  beforeEach(() => {
    vi.useFakeTimers({
      toFake: ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout', 'performance', 'Date'],
    });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('naps while nothing is due, and is in time all the same', () => {
    const wheel = new Wheel(clock);
    const fired: number[] = [];
    const begin = clock.now();
    for (const ms of [2000, 4000, 30_000])
      wheel.arm(
        timer(() => fired.push(clock.now() - begin)),
        ms,
      );
    expect(wakes(wheel, 31_000)).toBeLessThan(80);
    for (const [at, ms] of [2000, 4000, 30_000].entries()) {
      expect(fired[at]).toBeGreaterThanOrEqual(ms);
      expect(fired[at]).toBeLessThanOrEqual(ms + 10);
    }
    expect(vi.getTimerCount()).toBe(0);
  });

  it('wakes for what is armed in the middle of a nap', () => {
    const wheel = new Wheel(clock);
    wheel.arm(
      timer(() => {}),
      4000,
    );
    vi.advanceTimersByTime(1003);
    const begin = clock.now();
    const fired: number[] = [];
    for (const ms of [1, 12, 700, 2000, 5200])
      wheel.arm(
        timer(() => fired.push(clock.now() - begin - ms)),
        ms,
      );
    vi.advanceTimersByTime(6000);
    expect(fired).toHaveLength(5);
    for (const late of fired) expect(late).toBeLessThanOrEqual(10);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('turns with every tick while something is due all the time (control)', () => {
    const wheel = new Wheel(clock);
    const again = timer(() => wheel.arm(again, 20));
    wheel.arm(again, 20);
    expect(wakes(wheel, 5000)).toBeGreaterThan(950);
    wheel.close();
  });

  it('leaves no timer of Node’s behind when it is closed in a nap', () => {
    const wheel = new Wheel(clock);
    wheel.arm(
      timer(() => {}),
      4000,
    );
    vi.advanceTimersByTime(500);
    wheel.close();
    expect(vi.getTimerCount()).toBe(0);
  });
});

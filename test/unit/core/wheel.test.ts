import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Timer, timer } from '../../../sidecar/core/wheel.ts';
import { stillKit } from '../../support/kit.ts';

describe('the wheel', () => {
  it('expires each timer once, not early, at most a tick late', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(30_000), { maxLength: 40 }), (delays) => {
        const { wheel, clock, pass } = stillKit();
        const begun = clock.now();
        const at = delays.map(() => [] as number[]);
        delays.forEach((delay, index) => {
          wheel.arm(
            timer(() => at[index]!.push(clock.now() - begun)),
            delay,
          );
        });
        pass(30_010);
        delays.forEach((delay, index) => {
          expect(at[index]).toHaveLength(1);
          expect(at[index]![0]).toBeGreaterThanOrEqual(delay);
          expect(at[index]![0]).toBeLessThanOrEqual(delay + 10);
        });
        expect(wheel.size).toBe(0);
      }),
      { numRuns: 20 },
    );
  });

  it('forgets what was disarmed, and moves what is armed again', () => {
    const { wheel, pass } = stillKit();
    const log: string[] = [];
    const [kept, off] = [timer(() => log.push('kept')), timer(() => log.push('off'))];
    wheel.arm(kept, 10);
    wheel.arm(off, 10);
    wheel.disarm(off);
    wheel.disarm(off);
    wheel.arm(kept, 100);
    expect(wheel.size).toBe(1);
    pass(50);
    expect(log).toEqual([]);
    pass(60);
    expect(log).toEqual(['kept']);
  });

  it('lets a timer arm itself and take its neighbours off as it expires', () => {
    const { wheel, pass } = stillKit();
    let rounds = 0;
    const neighbour = timer(() => rounds--);
    const again: Timer = timer(() => {
      rounds++;
      wheel.disarm(neighbour);
      if (rounds < 3) wheel.arm(again, 10);
    });
    wheel.arm(neighbour, 10);
    wheel.arm(again, 10);
    pass(100);
    expect(rounds).toBe(3);
    expect(wheel.size).toBe(0);
  });

  it('catches up after a stall longer than a turn', () => {
    const { wheel, clock } = stillKit();
    const log: number[] = [];
    for (const delay of [5, 3000, 9000, 20_000])
      wheel.arm(
        timer(() => log.push(delay)),
        delay,
      );
    clock.set(clock.now() + 10_000);
    wheel.turn();
    expect(log.toSorted((a, b) => a - b)).toEqual([5, 3000, 9000]);
    expect(wheel.size).toBe(1);
    wheel.close();
    expect(wheel.size).toBe(0);
  });
});

import { describe, expect, it } from 'vitest';
import { ResetWatch } from '../../../wire/floods.ts';
import { PortResets } from '../../../wire/port-resets.ts';

describe('resets of a port whose callers prove nothing', () => {
  const onPort = () => {
    const time = { now: 0 };
    const port = new PortResets(10, () => time.now);
    const watch = () => new ResetWatch(10, () => time.now, port);
    return { time, port, watch };
  };
  /** A connection of a caller that resets each call as it begins, `count` times; whether it may go on. */
  const hostile = (watch: ResetWatch, count: number): boolean => {
    let goesOn = true;
    for (let i = 0; i < count && goesOn; i++) {
      watch.open();
      goesOn = watch.reset(0);
    }
    return goesOn;
  };

  it('are added up: dialling again buys nothing', () => {
    const { watch } = onPort();
    expect(hostile(watch(), 9)).toBe(true);
    expect(hostile(watch(), 1)).toBe(true);
    for (let again = 0; again < 3; again++) expect(hostile(watch(), 1)).toBe(false);
  });

  it('control: watched one by one, each connection has a sample of its own', () => {
    for (let again = 0; again < 3; again++) expect(hostile(new ResetWatch(10, () => 0), 9)).toBe(true);
  });

  it('are not held against who resets a few of many beside them', () => {
    const { watch } = onPort();
    const honest = watch();
    for (let i = 0; i < 5; i++) honest.open();
    for (let again = 0; again < 12; again++) hostile(watch(), 1);
    expect([honest.reset(0), honest.reset(0)]).toEqual([true, true]);
    expect(honest.reset(0)).toBe(false); // more than half of its own
  });

  it('are forgiven with the second', () => {
    const { time, watch } = onPort();
    hostile(watch(), 9);
    expect(hostile(watch(), 5)).toBe(false);
    time.now = 1000;
    const newcomer = watch();
    newcomer.open();
    expect(newcomer.reset(1000)).toBe(true);
  });

  it('keep newcomers away when they came with the end of their connections, and not otherwise', () => {
    const { time, port, watch } = onPort();
    for (let i = 0; i < 20; i++) hostile(watch(), 1);
    expect(port.churns).toBe(false);
    const gone = watch();
    for (let i = 0; i < 11; i++) gone.lost(0);
    expect(port.churns).toBe(true);
    time.now = 1000;
    expect(port.churns).toBe(false);
    gone.lost(-500); // had been open for longer than a second
    for (let i = 0; i < 10; i++) gone.lost(500);
    expect(port.churns).toBe(false);
  });
});

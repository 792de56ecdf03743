import { describe, expect, it } from 'vitest';
import { settled } from '../../support/calls.ts';
import { gates, lost } from '../../support/one-gate.ts';

const setUp = gates();
const limits = { failures: 5, success: 80, calls: 5 };

describe('a gate of what fails now and then', () => {
  /** One call in `every` fails, ten a second. */
  const failingEach = async (every: number, calls: number, success = 80) => {
    const one = setUp();
    one.gate.tune('on', { ...limits, success });
    let made = 0;
    while (made < calls && one.gate.state === 'open') {
      one.gate.judge(++made % every === 0 ? 'failure' : 'success', one.gate.epoch, lost);
      await one.pass(100);
    }
    return { ...one, made };
  };

  it('shuts within seconds, which no count of failures in a row would', async () => {
    const { gate, made, guarded } = await failingEach(2, 100);
    expect([gate.state, made]).toEqual(['shut', 6]);
    expect(guarded.changes[0]![1]).toBe(
      '3 of 6 calls went well within ten seconds, less than 80 %, the last: 10.0.0.1:1: connection lost',
    );
    expect((await failingEach(2, 100, 0)).gate.state).toBe('open'); // control
  });

  it('stays open where nine in ten go well', async () => {
    expect((await failingEach(10, 300)).gate.state).toBe('open');
  });

  it('begins anew when it has opened', async () => {
    const { gate, pass, guarded } = await failingEach(2, 100);
    await pass(1000);
    guarded.health = 'serving';
    await pass(1000);
    expect(gate.state).toBe('open');
    expect([gate.record.rate.well, gate.record.rate.ill]).toEqual([0, 0]);
  });
});

describe('a gate of what has too much to do', () => {
  it('shuts for the share of refusals, not for five in a row', () => {
    const { gate } = setUp();
    for (let call = 0; call < 40; call++) gate.judge('success', gate.epoch);
    for (let call = 0; call < 10; call++) gate.judge('busy', gate.epoch, lost);
    expect(gate.state).toBe('open'); // 40 of 50
    gate.judge('busy', gate.epoch, lost);
    expect(gate.state).toBe('shut');
  });

  it('stays shut when the call on trial is refused so', async () => {
    for (const [verdict, state] of [
      ['busy', 'shut'],
      ['success', 'open'], // control
    ] as const) {
      const { gate, fail, guarded, pass } = setUp();
      guarded.health = 'unknown';
      fail(5);
      await pass(1000);
      gate.enter();
      gate.judge(verdict, gate.epoch, lost);
      await settled();
      expect(gate.state).toBe(state);
    }
  });
});

describe('the mode of a gate', () => {
  it('shadow: tells what it would do, and does nothing; control: on', async () => {
    const { gate, fail, guarded, pass, kit } = setUp();
    gate.tune('shadow', limits);
    fail(5);
    await pass(2000);
    expect([gate.state, gate.passes, gate.out]).toEqual(['open', true, true]);
    expect(guarded.woulds).toEqual(['5 failures in a row, the last: 10.0.0.1:1: connection lost']);
    expect([guarded.changes, guarded.probes, kit.wheel.size]).toEqual([[], [], 0]);
    gate.tune('on', limits);
    expect(gate.out).toBe(false);
    fail(1);
    expect(gate.state).toBe('shut');
  });

  it('shadow: tells once in ten seconds, however many calls fail', async () => {
    const { gate, fail, guarded, pass } = setUp();
    gate.tune('shadow', limits);
    for (let second = 0; second < 25; second++) {
      fail(100);
      await pass(1000);
    }
    expect(guarded.woulds).toHaveLength(3);
  });

  it('off: nothing is looked for, though it is known what fails', () => {
    const { gate, fail, guarded } = setUp();
    gate.tune('off', limits);
    fail(50);
    expect([gate.state, gate.out, gate.fails]).toEqual(['open', false, true]);
    expect(guarded.woulds).toEqual([]);
  });

  it.each(['off', 'shadow'] as const)('%s: opens what was shut, a trial under way included', async (mode) => {
    const { gate, fail, guarded, pass, kit } = setUp();
    guarded.health = 'unknown';
    fail(5);
    await pass(1000);
    gate.enter();
    const { epoch } = gate;
    gate.tune(mode, limits);
    expect(guarded.changes.at(-1)).toEqual(['open', `it no longer acts: its mode is ${mode}`]);
    gate.judge('failure', epoch, lost); // of the call that was on trial
    await settled();
    expect([gate.state, kit.wheel.size]).toEqual(['open', 0]);
  });
});

import { describe, expect, it } from 'vitest';
import { balance } from '../../../sidecar/filters/balance.ts';
import { eject } from '../../../sidecar/filters/eject.ts';
import { answer, FakeEndpoint, routedCall, service, settled } from '../../support/calls.ts';
import { gates, lost } from '../../support/one-gate.ts';

const setUp = gates();

describe('a gate with a call on trial', () => {
  it('puts exactly one call on trial when the app does not serve health', async () => {
    const { gate, fail, guarded, pass } = setUp();
    guarded.health = 'unknown';
    fail(5);
    await pass(1000);
    expect(gate.state).toBe('probing');
    expect([gate.enter(), gate.enter(), gate.enter()]).toEqual([true, false, false]);
    expect(gate.passes).toBe(false);
    gate.judge('success', gate.epoch);
    await settled();
    expect(gate.state).toBe('open');
    expect([gate.enter(), gate.enter()]).toEqual([true, true]);
  });

  it('shuts again when the trial fails, for twice as long', async () => {
    const { gate, fail, guarded, pass } = setUp();
    guarded.health = 'unknown';
    fail(5);
    await pass(1000);
    gate.enter();
    gate.judge('failure', gate.epoch, lost);
    await settled();
    expect(gate.state).toBe('shut');
    await pass(1900);
    expect(gate.state).toBe('shut');
    await pass(100);
    expect(gate.state).toBe('probing');
  });

  it('is shut from the moment that a trial fails, so that a fast retry cannot take another', async () => {
    const { gate, fail, guarded, pass } = setUp();
    guarded.health = 'unknown';
    fail(5);
    await pass(1000);
    gate.enter();
    const before = gate.epoch;
    gate.judge('failure', before, lost);
    expect([gate.state, gate.passes, gate.epoch > before]).toEqual(['shut', false, true]);
    await Promise.resolve(); // a retry goes on here
    expect(gate.enter()).toBe(false);
    await settled();
    expect(guarded.changes.slice(2)).toEqual([
      ['shut', 'the call on trial failed: 10.0.0.1:1: connection lost'],
    ]);
    // It still looks for its way back.
    guarded.health = 'unknown';
    await pass(2000);
    expect(gate.state).toBe('probing');
    gate.enter();
    gate.judge('success', gate.epoch);
    await settled();
    expect(gate.state).toBe('open');
  });

  it('gives the trial back when nothing was learnt from it', async () => {
    const { gate, fail, guarded, pass } = setUp();
    guarded.health = 'unknown';
    fail(5);
    await pass(1000);
    gate.enter();
    gate.judge('neutral', gate.epoch);
    await settled();
    expect(gate.state).toBe('probing');
    expect(gate.enter()).toBe(true);
  });

  it('hears the trial only from the call that took it', async () => {
    const { gate, fail, guarded, pass } = setUp();
    guarded.health = 'unknown';
    fail(5);
    await pass(1000);
    const before = gate.epoch;
    gate.enter();
    gate.judge('failure', before); // a call that went without the trial
    gate.judge('success', before);
    await settled();
    expect(gate.state).toBe('probing');
    gate.judge('success', gate.epoch); // control: the one that took it
    await settled();
    expect(gate.state).toBe('open');
  });

  it('is not decided by a call that went beside it because nothing better was left', async () => {
    for (const [ends, state] of [
      ['the second', 'probing'],
      ['the first', 'shut'], // control
    ] as const) {
      const { gate, fail, guarded, pass, kit } = setUp();
      guarded.health = 'unknown';
      fail(5);
      await pass(1000);
      const endpoint = {
        ...new FakeEndpoint('10.0.0.1:1'),
        available: false,
        get gate() {
          return gate.state;
        },
        get epoch() {
          return gate.epoch;
        },
        share: () => 1,
        costMs: () => 0,
        took: () => {},
        enter: () => gate.enter(),
        judge: gate.judge.bind(gate),
        begun: gate.begun.bind(gate),
        send: () => new Promise<never>(() => {}),
      };
      const balanced = balance(kit, () => [endpoint]);
      const judged = eject(kit);
      for (const name of ['the first', 'the second'])
        void balanced(routedCall(kit.clock, service('inventory')), (attempt) =>
          judged(attempt, () => (name === ends ? answer(lost) : endpoint.send())),
        );
      await settled();
      expect(gate.state).toBe(state);
    }
  });

  it('waits a second for the end of a reply that has begun, and for no longer', async () => {
    for (const [end, state] of [
      ['failure', 'shut'],
      [null, 'open'], // control: a long stream
    ] as const) {
      const { gate, fail, guarded, pass } = setUp();
      guarded.health = 'unknown';
      fail(5);
      await pass(1000);
      gate.begun(gate.epoch); // of a call that did not take the trial
      await pass(1500);
      expect(gate.state).toBe('probing');
      gate.enter();
      const { epoch } = gate;
      gate.begun(epoch);
      await pass(900);
      expect([gate.state, gate.passes]).toEqual(['probing', false]);
      if (end !== null) gate.judge(end, epoch, lost);
      await pass(200);
      expect(gate.state).toBe(state);
    }
  });

  it('does not wait for ever for a trial: silence fails it', async () => {
    const { gate, fail, guarded, pass } = setUp();
    guarded.health = 'unknown';
    fail(5);
    await pass(1000);
    gate.enter();
    await pass(9900);
    expect(gate.state).toBe('probing');
    await pass(200);
    expect(gate.state).toBe('shut');
  });
});

import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Health } from '../../../sidecar/endpoints/probe.ts';
import { settled } from '../../support/calls.ts';
import { gates, lost } from '../../support/one-gate.ts';

const setUp = gates();

describe('a gate', () => {
  it('shuts after five failures in a row, and says why', () => {
    const { gate, fail, guarded } = setUp();
    fail(4);
    expect(gate.state).toBe('open');
    fail(1);
    expect(gate.state).toBe('shut');
    expect(gate.passes).toBe(false);
    expect(guarded.changes).toEqual([['shut', '5 failures in a row, the last: 10.0.0.1:1: connection lost']]);
  });

  it('counts from anew after a success, and learns nothing from neutral verdicts', () => {
    const { gate, fail } = setUp();
    gate.tune('on', { failures: 5, success: 0, calls: 1 });
    fail(4);
    gate.judge('success', gate.epoch);
    fail(4);
    gate.judge('neutral', gate.epoch);
    expect(gate.state).toBe('open');
    fail(1);
    expect(gate.state).toBe('shut');
  });

  it('never shuts the last available endpoint, until there is another', () => {
    const { gate, fail, guarded } = setUp();
    guarded.others = false;
    fail(50);
    expect(gate.state).toBe('open');
    guarded.others = true;
    fail(1);
    expect(gate.state).toBe('shut');
  });

  it('drops verdicts of an older epoch', () => {
    const { gate, fail } = setUp();
    const before = gate.epoch;
    fail(5);
    gate.judge('success', before); // began before the outage
    expect(gate.state).toBe('shut');
    const during = gate.epoch;
    gate.judge('success', during);
    expect(gate.state).toBe('open');
    for (const epoch of [before, during]) for (let at = 0; at < 10; at++) gate.judge('failure', epoch, lost);
    expect(gate.state).toBe('open'); // they began before it opened
    fail(5);
    expect(gate.state).toBe('shut'); // control: these did not
  });

  it('moves its probes by chance, a fifth to either side, so that many sidecars do not probe together', async () => {
    for (const [chance, at] of [
      [0, 800],
      [0.5, 1000],
      [0.999, 1200],
    ] as const) {
      const { fail, guarded, pass } = setUp(() => chance);
      fail(5);
      await pass(1300);
      expect(Math.round(guarded.probes[0]! / 100) * 100).toBe(at); // the test looks every 100 ms
    }
  });

  it('opens for a success that began while it was shut', () => {
    const { gate, fail, kit } = setUp();
    fail(5);
    gate.judge('success', gate.epoch);
    expect(gate.state).toBe('open');
    expect(kit.wheel.size).toBe(0);
  });

  it('probes each second for half a minute, then waits twice as long each time, at most a minute', async () => {
    const { fail, guarded, pass } = setUp();
    fail(5);
    await pass(300_000);
    expect(guarded.probes.slice(0, 30)).toEqual(Array.from({ length: 30 }, (_, at) => (at + 1) * 1000));
    const gaps = guarded.probes.slice(30).map((at, index) => at - guarded.probes[index + 29]!);
    expect(gaps).toEqual([2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  });

  it('opens when the app says that it serves', async () => {
    const { gate, fail, guarded, pass, kit } = setUp();
    fail(5);
    await pass(2000);
    guarded.health = 'serving';
    await pass(1000);
    expect(gate.state).toBe('open');
    expect(guarded.changes.at(-1)).toEqual(['open', 'it answers again']);
    expect(kit.wheel.size).toBe(0);
  });

  it('stays shut while a probe fails; control: without the failing answer it opens', async () => {
    for (const [health, state] of [
      ['failing', 'shut'],
      ['serving', 'open'],
    ] as const) {
      const { gate, fail, guarded, pass } = setUp();
      fail(5);
      await pass(1000);
      guarded.health = health;
      await pass(3000);
      expect(gate.state).toBe(state);
    }
  });

  it('counts from the question on, so that one without an answer does not delay the next', async () => {
    const { fail, guarded, pass } = setUp();
    let answer!: (health: Health) => void;
    guarded.health = new Promise((resolve) => (answer = resolve));
    fail(5);
    await pass(1900);
    guarded.health = 'failing';
    answer('failing');
    await settled();
    await pass(100);
    expect(guarded.probes).toEqual([1000, 2000]);
  });

  it('asks one question at a time', async () => {
    const { fail, guarded, pass } = setUp();
    guarded.health = new Promise(() => {});
    fail(5);
    await pass(10_000);
    expect(guarded.probes).toHaveLength(1);
  });

  it('asks one question at a time, also after it opened and shut while the first hangs; then at once', async () => {
    const { gate, fail, guarded, pass } = setUp();
    let answer!: (health: Health) => void;
    guarded.health = new Promise((resolve) => (answer = resolve));
    fail(5);
    await pass(1000);
    gate.judge('success', gate.epoch);
    fail(5);
    await pass(2500); // the next was due after 2000
    expect(guarded.probes).toEqual([1000]);
    guarded.health = 'unknown';
    answer('serving'); // of another outage
    await settled();
    expect(guarded.probes).toEqual([1000, 3500]);
    expect(gate.state).toBe('probing');
  });

  it('keeps to its times when the probe of an earlier outage ends before the next is due', async () => {
    const { gate, fail, guarded, pass } = setUp();
    let answer!: (health: Health) => void;
    guarded.health = new Promise((resolve) => (answer = resolve));
    fail(5);
    await pass(1000);
    gate.judge('success', gate.epoch);
    fail(5);
    await pass(500);
    guarded.health = 'failing';
    answer('failing');
    await pass(1400);
    expect(guarded.probes).toEqual([1000]);
    await pass(100);
    expect(guarded.probes).toEqual([1000, 3000]);
  });

  it('does not believe an app that said all the while how well it is', async () => {
    for (const [first, state] of [
      ['serving', 'probing'],
      ['failing', 'open'], // control
    ] as const) {
      const { gate, fail, guarded, pass } = setUp();
      guarded.health = first;
      fail(5);
      await pass(1000);
      guarded.health = 'serving';
      await pass(1000);
      expect(gate.state).toBe(state);
    }
  });

  it('does not believe a probe twice that spoke for an app which fails', async () => {
    const { gate, fail, guarded, pass } = setUp();
    fail(5);
    await pass(1000);
    guarded.health = 'serving';
    await pass(1000);
    expect(gate.state).toBe('open');
    fail(5); // at once
    await pass(2000);
    expect(gate.state).toBe('probing');
  });

  it('believes it again after the endpoint has kept its word for a while', async () => {
    const { gate, fail, guarded, pass } = setUp();
    for (let outage = 0; outage < 2; outage++) {
      guarded.health = 'failing';
      fail(5);
      await pass(1000);
      guarded.health = 'serving';
      await pass(1000);
      expect(gate.state).toBe('open');
      await pass(11_000);
    }
  });

  it('sends no probe to what cannot be reached, and one at once when it can', async () => {
    const { gate, fail, guarded, pass, kit } = setUp();
    guarded.reachable = false;
    guarded.health = 'serving';
    fail(5);
    await pass(5000);
    expect(guarded.probes).toEqual([]);
    guarded.reachable = true;
    gate.hint(true);
    kit.pass(10);
    await settled();
    expect(gate.state).toBe('open');
  });

  it('outlives a probe that throws', async () => {
    const { gate, fail, guarded, pass } = setUp();
    fail(5);
    let asked = 0;
    guarded.probe = () => {
      asked++;
      return Promise.reject(new Error('a bug below'));
    };
    await pass(1000);
    expect([asked, gate.state]).toEqual([1, 'shut']);
    guarded.probe = () => Promise.resolve('serving');
    await pass(1000);
    expect(gate.state).toBe('open');
  });

  it('drops the answer of a probe that comes when the gate has changed', async () => {
    for (const [meanwhile, state] of [
      [true, 'open'],
      [false, 'probing'], // control
    ] as const) {
      const { gate, fail, guarded, pass } = setUp();
      let answer!: (health: Health) => void;
      guarded.health = new Promise((resolve) => (answer = resolve));
      fail(5);
      await pass(1000);
      if (meanwhile) gate.judge('success', gate.epoch); // a real call went well
      answer('unknown'); // puts a call on trial
      await settled();
      expect(gate.state).toBe(state);
    }
  });

  it('leaves no timer behind when it is closed, in any state, nor when it opens', async () => {
    onTestFinished(() => void vi.useRealTimers());
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
    const opened = setUp();
    opened.fail(5);
    expect(vi.getTimerCount()).toBe(1); // control: opossum has armed one
    opened.gate.judge('success', opened.gate.epoch);
    expect(vi.getTimerCount()).toBe(0);
    const shut = setUp();
    shut.fail(5);
    const trial = setUp();
    trial.guarded.health = 'unknown';
    trial.fail(5);
    await trial.pass(1000);
    trial.gate.enter();
    for (const { gate, kit } of [shut, trial]) {
      gate.close();
      expect(kit.wheel.size).toBe(0);
      gate.judge('failure', gate.epoch, lost);
    }
    await settled();
    expect(vi.getTimerCount()).toBe(0);
  });
});

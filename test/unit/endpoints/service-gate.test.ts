import { describe, expect, it } from 'vitest';
import { Code, ok, type Status } from '../../../sidecar/core/status.ts';
import { gaugeGates } from '../../../sidecar/endpoints/gate-gauges.ts';
import type { Health } from '../../../sidecar/endpoints/probe.ts';
import { knowing, settled } from '../../support/calls.ts';
import { nobody, refuseDials, services, unwell } from '../../support/one-service.ts';

const setUp = services();

describe('the gate of a service', () => {
  it('shuts after five failures in a row when its only endpoint fails, which is never shut itself', async () => {
    const { gate, endpoints, fail, call } = setUp(1);
    await fail(4);
    expect(gate.gate).toBe('open');
    await fail(1);
    expect([gate.gate, endpoints[0]!.gate]).toEqual(['shut', 'open']);
    expect(await call(ok)).toMatchObject({
      code: Code.UNAVAILABLE,
      message:
        "the gate of service 'inventory' is shut: 5 failures in a row, the last: not well; it is tried next in 1000 ms",
      reached: false,
    });
  });

  it('stays open while there is a success between', async () => {
    const { gate, fail, call } = setUp(1);
    for (let round = 0; round < 5; round++) {
      await fail(4);
      await call(ok);
    }
    expect(gate.gate).toBe('open');
    await fail(5);
    expect(gate.gate).toBe('shut'); // control
  });

  it('stays open while one endpoint has not failed lately, whatever chance makes of the calls', async () => {
    for (const [well, state] of [
      [true, 'open'],
      [false, 'shut'], // control
    ] as const) {
      const { gate, endpoints, call, pass } = setUp(3);
      for (const endpoint of endpoints) endpoint.judge('failure', endpoint.epoch, unwell);
      await pass(well ? 10_000 : 9000);
      for (let at = 0; at < 8; at++) await call(unwell, at % 2);
      expect(gate.gate).toBe(state);
    }
  });

  it('shuts after five calls when nobody can be reached any more', async () => {
    const one = setUp(3);
    refuseDials(one);
    for (let at = 0; at < 4; at++) await one.call(nobody);
    expect(one.gate.gate).toBe('open');
    await one.call(nobody);
    expect(one.gate.gate).toBe('shut');
  });

  it('stays open for a service of no endpoint: calls are refused at once without it', async () => {
    const { gate, pool, call } = setUp(1);
    pool.follow(knowing({ name: 'inventory', endpoints: [], origin: 'static' }));
    for (let at = 0; at < 9; at++) await call(nobody);
    expect(gate.gate).toBe('open');
  });

  it('takes being busy as a sign of life', async () => {
    const busy: Status = { ...unwell, code: Code.RESOURCE_EXHAUSTED };
    const { gate, fail, call } = setUp(1);
    await fail(4);
    await call(busy);
    await fail(4);
    expect(gate.gate).toBe('open');
  });

  it('off: never shuts; shadow: tells; an open one again when it is switched off', async () => {
    const { gate, fail, tune, counted, call } = setUp(1, { breaker: { mode: 'off' } });
    await fail(20);
    expect([gate.gate, counted('outrigger_would_break_total')]).toEqual(['open', 0]);
    tune({ breaker: { mode: 'shadow' } });
    await fail(20);
    expect([gate.gate, counted('outrigger_would_break_total')]).toEqual(['open', 1]);
    tune({ breaker: { mode: 'on', failures: 3 } });
    await fail(1);
    expect(gate.gate).toBe('shut');
    tune({ breaker: { mode: 'off' } });
    expect([gate.gate, await call(ok)]).toEqual(['open', ok]);
  });
});

describe('the way back of a service', () => {
  it('each second each endpoint is asked, one at a time, as long as it takes', async () => {
    const one = setUp(3, { eject: { mode: 'off' } });
    await one.fail(5);
    await one.pass(120_000);
    expect(one.asked).toHaveLength(360);
    expect(one.asked.slice(0, 4)).toEqual(['10.0.0.1:1', '10.0.0.2:1', '10.0.0.3:1', '10.0.0.1:1']);
    one.health = new Promise(() => {});
    await one.pass(10_000);
    expect(one.asked).toHaveLength(361);
  });

  it('no more than ten of them in a second', async () => {
    const one = setUp(25, { eject: { mode: 'off' } });
    for (const endpoint of one.endpoints) endpoint.judge('failure', endpoint.epoch, unwell);
    await one.fail(5);
    expect(one.gate.gate).toBe('shut');
    await one.pass(3000);
    expect(one.asked).toHaveLength(30);
    expect(new Set(one.asked.slice(0, 25)).size).toBe(25);
  });

  it('refuses all calls until then, and counts them', async () => {
    const one = setUp(1);
    await one.fail(5);
    for (let at = 0; at < 7; at++) expect((await one.call(ok)).code).toBe(Code.UNAVAILABLE);
    expect(one.counted('outrigger_breaker_refused_total')).toBe(7);
    await one.pass(1000);
    one.health = 'serving';
    await one.pass(1000);
    expect(await one.call(ok)).toBe(ok);
    expect(one.counted('outrigger_service_gate_changes_total', 'shut')).toBe(1);
    expect(one.counted('outrigger_service_gate_changes_total', 'open')).toBe(1);
  });

  it.each<[Health, string]>([
    ['serving', 'open'],
    ['unknown', 'probing'],
    ['failing', 'shut'],
  ])('when a probe says %s it is %s', async (health, state) => {
    const one = setUp(1);
    await one.fail(5);
    await one.pass(1000);
    one.health = health;
    await one.pass(1000);
    expect(one.gate.gate).toBe(state);
  });

  it('puts one call on trial where the app does not serve health; others are refused meanwhile', async () => {
    const one = setUp(1);
    await one.fail(5);
    one.health = 'unknown';
    await one.pass(1000);
    const { epoch } = one.gate;
    expect([one.gate.enter(), one.gate.enter()]).toEqual([true, false]);
    expect((await one.call(ok)).message).toContain('it is being tried now');
    one.gate.judge('success', epoch); // of a call that did not take it
    expect(one.gate.gate).toBe('probing');
    one.gate.judge('neutral', one.gate.epoch); // its caller went away: the next may have it
    expect(one.gate.gate).toBe('probing');
    expect(await one.call(ok)).toBe(ok);
    await settled();
    expect(one.gate.gate).toBe('open');
  });

  it('opens a second after the first answer of a call on trial, though the stream goes on', async () => {
    const one = setUp(1);
    await one.fail(5);
    one.health = 'unknown';
    await one.pass(1000);
    const held = await one.begin();
    await one.pass(1000);
    expect(one.gate.gate).toBe('open');
    held.end(ok);
  });

  it('does not wait for ever for a trial', async () => {
    const one = setUp(1);
    await one.fail(5);
    one.health = 'unknown';
    await one.pass(1000);
    one.gate.enter();
    one.health = 'failing';
    await one.pass(9900);
    expect(one.gate.gate).toBe('probing');
    await one.pass(200);
    expect(one.gate.gate).toBe('shut');
  });

  it('comes with the first endpoint that is connected again, without waiting for the next probe', async () => {
    const one = setUp(2);
    refuseDials(one);
    for (let at = 0; at < 5; at++) await one.call(nobody);
    await one.pass(60_000);
    expect(one.asked).toEqual([]); // there was nobody to ask
    // Dialled each second though dials would be five seconds apart by now.
    const dials = one.links.length;
    for (const link of one.links) if (link.state === 'connecting') link.break('connect ECONNREFUSED');
    await one.pass(1200);
    expect(one.links.length - dials).toBe(2);
    one.health = 'serving';
    one.links.at(-1)!.ready();
    one.kit.pass(10);
    await settled();
    expect(one.gate.gate).toBe('open');
    one.links.at(-2)!.break('connect ECONNREFUSED');
  });

  it('comes with an endpoint whose own gate opens or has a call on trial', async () => {
    for (const [health, state] of [
      ['serving', 'open'],
      ['unknown', 'probing'],
    ] as const) {
      const one = setUp(2);
      await one.fail(5); // three of the first, two of the second
      for (let at = 0; at < 2; at++) one.endpoints[0]!.judge('failure', one.endpoints[0]!.epoch, unwell);
      expect([one.gate.gate, one.endpoints[0]!.gate, one.endpoints[1]!.gate]).toEqual([
        'shut',
        'shut',
        'open',
      ]);
      await one.pass(1100);
      one.health = health;
      await one.pass(1100);
      expect(one.gate.gate).toBe(state);
    }
  });
});

describe('the throttle of a service', () => {
  const busy: Status = { ...unwell, code: Code.RESOURCE_EXHAUSTED };

  it('refuses up to three in four of the calls to a service that refuses all', async () => {
    let die = 0.74;
    const one = setUp(1, { throttle: { mode: 'on' }, eject: { mode: 'off' } }, () => die);
    for (let at = 0; at < 50; at++) expect(await one.call(busy)).toBe(busy);
    expect(await one.call(busy)).toEqual({
      code: Code.RESOURCE_EXHAUSTED,
      message: "service 'inventory' refuses most calls: this one was not sent to it",
      from: 'mesh',
      reached: false,
    });
    expect(one.counted('outrigger_throttled_total')).toBe(1);
    die = 0.76;
    expect(await one.call(busy)).toBe(busy);
    die = 0.74;
    await one.pass(10_000);
    expect(await one.call(ok)).toBe(ok); // forgotten
  });

  it('lets all pass to a service that accepts half, and to one that fails otherwise', async () => {
    const one = setUp(1, { throttle: { mode: 'on' }, breaker: { mode: 'off' } }, () => 0);
    for (let at = 0; at < 400; at++) expect((await one.call(at % 2 ? busy : ok)).from).toBe('peer');
    const other = setUp(1, { throttle: { mode: 'on' }, breaker: { mode: 'off' } }, () => 0);
    for (let at = 0; at < 400; at++) expect(await other.call(unwell)).toBe(unwell);
  });

  it('shadow, as it is built in: counts, and refuses nothing', async () => {
    const one = setUp(1, {}, () => 0);
    for (let at = 0; at < 60; at++) expect(await one.call(busy)).toBe(busy);
    expect(one.counted('outrigger_would_throttle_total')).toBe(10);
    expect(one.counted('outrigger_throttled_total')).toBe(0);
  });
});

describe('the gauges of gates', () => {
  it('say the state of each, and nothing of a service that has gone', async () => {
    const one = setUp(3);
    gaugeGates(one.kit.meter, one.pool);
    await one.fail(5);
    for (let at = 0; at < 5; at++) one.endpoints[0]!.judge('failure', one.endpoints[0]!.epoch, unwell);
    one.kit.meter.read();
    expect(['open', 'probing', 'shut'].map((state) => one.counted('outrigger_gates', state))).toEqual([
      2, 0, 1,
    ]);
    expect(one.counted('outrigger_service_gates', 'shut')).toBe(1);
    one.pool.follow(knowing());
    for (const endpoint of one.pool.list()) endpoint.close('gone');
    one.kit.meter.read();
    expect(one.counted('outrigger_gates', 'open')).toBe(0);
    expect(one.counted('outrigger_service_gates', 'shut')).toBe(0);
  });
});

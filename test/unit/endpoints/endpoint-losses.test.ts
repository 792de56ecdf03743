import { describe, expect, it } from 'vitest';
import { Code, ok } from '../../../sidecar/core/status.ts';
import { settled } from '../../support/calls.ts';
import { oneEndpoint } from '../../support/one-endpoint.ts';

describe('an endpoint whose connections fail', () => {
  it('refuses those that wait when a dial fails, naming address and cause, to be tried elsewhere', async () => {
    const { send, links, endpoint, counted } = oneEndpoint();
    const calls = [send(), send()];
    links[0]!.break('connect ECONNREFUSED');
    for (const { status } of calls)
      expect(await status).toEqual({
        code: Code.UNAVAILABLE,
        message: "cannot reach 10.0.0.1:50051 of 'inventory': 10.0.0.1:50051: connect ECONNREFUSED",
        from: 'wire',
        reached: false,
      });
    expect([endpoint.reachable, endpoint.available]).toEqual([false, false]);
    expect(counted('outrigger_dials_total', 'failed')).toBe(1);
  });

  it('dials again in the background after a failure, further and further apart; no call is the probe', async () => {
    const { send, links, kit } = oneEndpoint();
    send();
    const dialledAt = [0];
    const begun = kit.clock.now();
    for (let step = 0; step < 4000; step++) {
      const last = links.at(-1)!;
      if (last.state === 'connecting') last.break('connect ECONNREFUSED');
      if (step % 10 === 0) void send();
      expect(links.every((link) => link.sent.length === 0)).toBe(true);
      const before = links.length;
      kit.pass(5);
      if (links.length > before) dialledAt.push(kit.clock.now() - begun);
    }
    expect(dialledAt.slice(0, 8)).toEqual([0, 100, 300, 700, 1500, 3100, 6300, 11_300]);
    await settled();
  });

  it('dials in the background at times that chance moves, a fifth to either side', () => {
    for (const [chance, firstMs] of [
      [0, 80],
      [0.5, 100],
      [1, 120],
    ] as const) {
      const { send, links, kit } = oneEndpoint({}, () => chance);
      void send();
      links[0]!.break('connect ECONNREFUSED');
      kit.pass(firstMs - 5);
      expect(links).toHaveLength(1);
      kit.pass(10);
      expect(links).toHaveLength(2);
    }
  });

  it('asks at once how the app is when it is connected again behind a shut gate', async () => {
    for (const [breaks, gate] of [
      [true, 'open'],
      [false, 'shut'], // control: else it asks after a second
    ] as const) {
      const { send, links, kit, endpoint } = oneEndpoint();
      void send();
      links[0]!.ready();
      for (let at = 0; at < 5; at++) endpoint.judge('failure', endpoint.epoch);
      expect(endpoint.gate).toBe('shut');
      if (breaks) {
        links[0]!.break('ECONNRESET');
        links[1]!.ready();
      }
      kit.pass(10);
      await settled();
      expect(endpoint.gate).toBe(gate);
      endpoint.close('the test is over');
    }
  });

  it('takes calls again when a dial in the background went well', async () => {
    const { send, links, kit, endpoint } = oneEndpoint();
    send();
    links[0]!.break('connect ECONNREFUSED');
    kit.pass(100);
    expect((await send().status).code).toBe(Code.UNAVAILABLE);
    links[1]!.ready();
    expect(endpoint.available).toBe(true);
    const { status } = send();
    links[1]!.end(0);
    expect(await status).toBe(ok);
    expect(kit.wheel.size).toBe(0);
  });

  it('ends calls in flight when their connection breaks, and dials at once for the next', async () => {
    const { send, links, endpoint, counted } = oneEndpoint();
    const call = send();
    links[0]!.ready();
    links[0]!.break('ECONNRESET');
    const status = await call.status;
    expect([status.code, status.reached]).toEqual([Code.UNAVAILABLE, true]);
    expect(links).toHaveLength(2);
    expect([endpoint.reachable, endpoint.available]).toEqual([true, false]); // others first, but nobody is refused
    links[1]!.ready();
    expect(endpoint.available).toBe(true);
    expect(counted('outrigger_links_lost_total')).toBe(1);
  });

  it('goes on with the connections it has when another cannot be opened', () => {
    const { send, links, endpoint, kit } = oneEndpoint();
    send();
    links[0]!.limit = 1;
    links[0]!.ready();
    send();
    links[1]!.break('connect ECONNREFUSED');
    expect([endpoint.reachable, endpoint.waiting]).toEqual([true, 1]);
    send();
    expect(links).toHaveLength(2); // not again at once
    links[0]!.break('ECONNRESET');
    expect(links).toHaveLength(3); // but now at once: nothing is left
    links[2]!.ready();
    expect(endpoint.waiting).toBe(0);
    expect(kit.wheel.size).toBe(0);
  });

  it.each([
    ['says goodbye', 'goAway'],
    ['breaks', 'break'],
  ] as const)('dials at once when its last connection %s, whatever failed beside it', (_, how) => {
    const { send, links, kit } = oneEndpoint();
    send();
    links[0]!.limit = 1;
    links[0]!.ready();
    send(); // wants a second connection, which fails again and again
    for (let at = 0; at < 6; at++) {
      links.at(-1)!.break('connect ECONNREFUSED');
      while (links.at(-1)!.state === 'closed') kit.pass(5);
    }
    links.at(-1)!.break('connect ECONNREFUSED');
    const before = links.length;
    links[0]![how]('ECONNRESET');
    expect(links).toHaveLength(before + 1); // and not after the 5 s that the second connection waits for
    links.at(-1)!.ready();
    expect(links.at(-1)!.sent).toHaveLength(1);
    expect(kit.wheel.size).toBe(0);
  });

  it('dials with the next call when its last connection ends unused, whatever failed beside it', () => {
    const { send, links, kit } = oneEndpoint();
    send();
    links[0]!.limit = 1;
    links[0]!.ready();
    send();
    links[0]!.end(0);
    links[0]!.end(1); // nobody waits, and nothing is in flight
    const until = kit.clock.now() + 20_000;
    while (kit.clock.now() < until) {
      if (links.at(-1)!.state === 'connecting') links.at(-1)!.break('connect ECONNREFUSED');
      kit.pass(5);
    }
    if (links.at(-1)!.state === 'connecting') links.at(-1)!.break('connect ECONNREFUSED');
    links[0]!.goAway();
    const before = links.length;
    send();
    expect(links).toHaveLength(before + 1);
  });

  it('dials nothing when a connection that nobody uses breaks', () => {
    const { send, links, kit, endpoint } = oneEndpoint();
    send();
    links[0]!.ready();
    links[0]!.end(0);
    kit.pass(10_005);
    links[0]!.break('closed by the peer');
    expect(links).toHaveLength(1);
    expect(endpoint.available).toBe(true);
  });

  it('opens the next connection when the peer says goodbye, and lets calls in flight finish', async () => {
    const { send, links } = oneEndpoint();
    const first = send();
    links[0]!.ready();
    links[0]!.goAway();
    expect(links).toHaveLength(2);
    links[1]!.ready();
    const second = send();
    expect(links[1]!.sent).toEqual([second.attempt]);
    links[0]!.end(0);
    expect(await first.status).toBe(ok);
    expect(links[0]!.state).toBe('closed');
  });
});

import { describe, expect, it } from 'vitest';
import type { Attempt } from '../../../sidecar/core/call.ts';
import { Code, ended, ok } from '../../../sidecar/core/status.ts';
import { Endpoint, type EndpointSettings, endpointDefaults } from '../../../sidecar/endpoints/endpoint.ts';
import { address, fakeDial, newAttempt, run, settled } from '../../support/calls.ts';
import { stillKit } from '../../support/kit.ts';

const setUp = (settings: Partial<EndpointSettings> = {}) => {
  const kit = stillKit();
  const { dial, links } = fakeDial();
  let gone = 0;
  const endpoint = new Endpoint(
    {
      kit,
      dial,
      probe: async () => 'serving',
      settings: { ...endpointDefaults, ...settings },
      othersAvailable: () => true,
      gone: () => gone++,
    },
    'inventory',
    address('10.0.0.1:50051'),
  );
  const send = (attempt: Attempt = newAttempt(kit.clock, endpoint)) => ({
    attempt,
    status: run<Attempt>((each) => endpoint.send(each), attempt),
  });
  const counted = (name: string, ...labels: string[]) => kit.meter.count(name, 'inventory', ...labels).value;
  return { kit, links, endpoint, send, counted, gone: () => gone };
};

describe('an endpoint', () => {
  it('dials when the first call comes, and sends what waited in order', async () => {
    const { links, endpoint, send } = setUp();
    expect(links).toHaveLength(0);
    const calls = [send(), send(), send()];
    expect(links).toHaveLength(1);
    expect(endpoint.load).toBe(3);
    expect(calls[0]!.attempt.call.life.doing).toBe('waiting for a connection to 10.0.0.1:50051');
    links[0]!.ready();
    expect(links[0]!.sent).toEqual(calls.map((each) => each.attempt));
    for (const at of [0, 1, 2]) links[0]!.end(at);
    expect(await Promise.all(calls.map((each) => each.status))).toEqual([ok, ok, ok]);
    expect(endpoint.load).toBe(0);
  });

  it('sends over a warm connection in the same tick', () => {
    const { links, send } = setUp();
    send();
    links[0]!.ready();
    send();
    expect(links[0]!.sent).toHaveLength(2);
    expect(links).toHaveLength(1);
  });

  it('opens another connection at the concurrency limit, and takes the less busy', async () => {
    const { links, send } = setUp();
    send();
    links[0]!.limit = 2;
    links[0]!.ready();
    send();
    expect(links).toHaveLength(1);
    send();
    expect(links).toHaveLength(2);
    links[1]!.ready();
    expect(links[1]!.sent).toHaveLength(1);
    links[0]!.end(0);
    links[0]!.end(1);
    send();
    expect([links[0]!.active, links[1]!.active]).toEqual([1, 1]);
  });

  it('opens no more connections than its limit; the others wait for room, first come first served', () => {
    const { links, send, endpoint } = setUp({ maxLinks: 2 });
    const calls = Array.from({ length: 5 }, () => send());
    for (const at of [0, 1]) {
      links[at]!.limit = 1;
      links[at]!.ready();
    }
    expect(links).toHaveLength(2);
    expect(endpoint.waiting).toBe(3);
    expect(endpoint.available).toBe(false);
    links[1]!.end(0);
    expect(links[1]!.sent[1]).toBe(calls[2]!.attempt);
    links[0]!.end(0);
    expect(links[0]!.sent[1]).toBe(calls[3]!.attempt);
    expect(endpoint.waiting).toBe(1);
  });

  it('refuses more than may wait, and says how many do', async () => {
    const { send, counted, links } = setUp({ mostWaiting: 2 });
    send();
    send();
    expect(await send().status).toEqual({
      code: Code.RESOURCE_EXHAUSTED,
      message: "2 calls wait for a connection to 10.0.0.1:50051 of 'inventory' already",
      from: 'mesh',
      reached: false,
    });
    expect(counted('outrigger_link_queue_full_total')).toBe(1);
    links[0]!.close('the test is over');
  });

  it('lets a waiting call go when its time is over, and nobody loses their place', async () => {
    const { send, links, endpoint } = setUp();
    const calls = [send(), send(), send()];
    const late = ended(Code.DEADLINE_EXCEEDED, 'late');
    calls[1]!.attempt.call.life.cancel(late);
    expect(await calls[1]!.status).toBe(late);
    expect(endpoint.load).toBe(2);
    links[0]!.ready();
    expect(links[0]!.sent).toEqual([calls[0]!.attempt, calls[2]!.attempt]);
  });

  it('refuses those that wait when a dial fails, naming address and cause, to be tried elsewhere', async () => {
    const { send, links, endpoint, counted } = setUp();
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
    const { send, links, kit } = setUp();
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

  it('takes calls again when a dial in the background went well', async () => {
    const { send, links, kit, endpoint } = setUp();
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
    const { send, links, endpoint, counted } = setUp();
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
    const { send, links, endpoint, kit } = setUp();
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

  it('dials nothing when a connection that nobody uses breaks', () => {
    const { send, links, kit, endpoint } = setUp();
    send();
    links[0]!.ready();
    links[0]!.end(0);
    kit.pass(10_005);
    links[0]!.break('closed by the peer');
    expect(links).toHaveLength(1);
    expect(endpoint.available).toBe(true);
  });

  it('opens the next connection when the peer says goodbye, and lets calls in flight finish', async () => {
    const { send, links } = setUp();
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

  it('closes connections that it no longer needs, but keeps one warm', () => {
    const { send, links, kit, endpoint } = setUp();
    const calls = [send(), send(), send()];
    for (let at = 0; at < 3; at++) {
      links[at]!.limit = 1;
      links[at]!.ready();
    }
    expect(calls).toHaveLength(3);
    for (const link of links) link.end(0);
    kit.pass(60_005);
    expect(endpoint.links).toHaveLength(2);
    kit.pass(60_005);
    expect(endpoint.links).toHaveLength(1);
    kit.pass(600_000);
    expect(endpoint.links).toHaveLength(1);
    expect(kit.wheel.size).toBe(0);
  });

  it('finishes what is in flight when it leaves, and takes no more', async () => {
    const { send, links, endpoint, gone, kit } = setUp();
    const call = send();
    links[0]!.ready();
    endpoint.leave();
    expect((await send().status).message).toBe(
      "cannot reach 10.0.0.1:50051 of 'inventory': it is no longer an instance of 'inventory'",
    );
    expect(gone()).toBe(0);
    links[0]!.end(0);
    expect(await call.status).toBe(ok);
    expect(gone()).toBe(1);
    expect(kit.wheel.size).toBe(0);
  });

  it('leaves with all its connections, and no timer stays', () => {
    const { send, links, endpoint, gone, kit } = setUp();
    const calls = [send(), send()];
    for (const at of [0, 1]) {
      links[at]!.limit = 1;
      links[at]!.ready();
    }
    expect(calls).toHaveLength(2);
    expect(kit.wheel.size).toBe(1); // looks for idle connections
    endpoint.leave();
    expect(kit.wheel.size).toBe(0);
    links[0]!.end(0);
    expect(gone()).toBe(0);
    links[1]!.end(0);
    expect(gone()).toBe(1);
  });

  it('leaves nothing behind when it leaves while it dials or backs off', async () => {
    const dialling = setUp();
    const call = dialling.send();
    dialling.endpoint.leave();
    expect((await call.status).reached).toBe(false);
    const backing = setUp();
    backing.send();
    backing.links[0]!.break('connect ECONNREFUSED');
    backing.endpoint.leave();
    for (const { gone, kit, links } of [dialling, backing]) {
      expect(gone()).toBe(1);
      expect(kit.wheel.size).toBe(0);
      expect(links.every((link) => link.state === 'closed')).toBe(true);
    }
  });

  it('does not shut its gate for dials that failed: the back-off does that already', () => {
    const { send, links, endpoint } = setUp();
    send();
    links[0]!.break('connect ECONNREFUSED');
    const refused = { code: Code.UNAVAILABLE, message: '', from: 'wire', reached: false } as const;
    for (let at = 0; at < 20; at++) endpoint.judge('failure', endpoint.epoch, refused);
    expect(endpoint.gate).toBe('open');
    for (let at = 0; at < 5; at++) endpoint.judge('failure', endpoint.epoch, { ...refused, reached: true });
    expect(endpoint.gate).toBe('shut'); // control: calls that were in flight do count
    endpoint.leave();
  });

  it('shuts its gate, and opens it when a probe says that the app serves', async () => {
    const { endpoint, kit, counted } = setUp();
    for (let at = 0; at < 5; at++) endpoint.judge('failure', endpoint.epoch);
    expect([endpoint.available, endpoint.reachable]).toEqual([false, true]);
    kit.pass(1000);
    await settled();
    expect(endpoint.available).toBe(true);
    expect(counted('outrigger_gate_changes_total', 'shut')).toBe(1);
    expect(counted('outrigger_gate_changes_total', 'open')).toBe(1);
    expect(counted('outrigger_probes_total', 'serving')).toBe(1);
  });
});

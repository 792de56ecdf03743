import { describe, expect, it } from 'vitest';
import { Code, ended, ok } from '../../../sidecar/core/status.ts';
import { settled } from '../../support/calls.ts';
import { oneEndpoint } from '../../support/one-endpoint.ts';

describe('an endpoint', () => {
  it('dials when the first call comes, and sends what waited in order', async () => {
    const { links, endpoint, send } = oneEndpoint();
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
    const { links, send } = oneEndpoint();
    send();
    links[0]!.ready();
    send();
    expect(links[0]!.sent).toHaveLength(2);
    expect(links).toHaveLength(1);
  });

  it('opens another connection at the concurrency limit, and takes the less busy', async () => {
    const { links, send } = oneEndpoint();
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
    const { links, send, endpoint } = oneEndpoint({ maxLinks: 2 });
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
    const { send, counted, links, endpoint } = oneEndpoint({ mostWaiting: 2 });
    const calls = [send(), send()];
    expect(await send().status).toEqual({
      code: Code.RESOURCE_EXHAUSTED,
      message: "2 calls wait for a connection to 10.0.0.1:50051 of 'inventory' already",
      from: 'mesh',
      reached: false,
    });
    expect(counted('outrigger_link_queue_full_total')).toBe(1);
    expect([endpoint.waiting, endpoint.available]).toEqual([2, false]);
    links[0]!.ready();
    expect(links[0]!.sent).toEqual(calls.map((each) => each.attempt)); // those who waited lose nothing
    expect(endpoint.available).toBe(true);
    expect(send().attempt).toBe(links[0]!.sent[2]); // control: with room nobody waits
  });

  it('lets a waiting call go when its time is over, and nobody loses their place', async () => {
    const { send, links, endpoint } = oneEndpoint();
    const calls = [send(), send(), send()];
    const late = ended(Code.DEADLINE_EXCEEDED, 'late');
    calls[1]!.attempt.call.life.cancel(late);
    expect(await calls[1]!.status).toBe(late);
    expect(endpoint.load).toBe(2);
    links[0]!.ready();
    expect(links[0]!.sent).toEqual([calls[0]!.attempt, calls[2]!.attempt]);
  });

  it('closes connections that it no longer needs, but keeps one warm', () => {
    const { send, links, kit, endpoint } = oneEndpoint();
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
    const { send, links, endpoint, gone, kit } = oneEndpoint();
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
    const { send, links, endpoint, gone, kit } = oneEndpoint();
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
    const dialling = oneEndpoint();
    const call = dialling.send();
    dialling.endpoint.leave();
    expect((await call.status).reached).toBe(false);
    const backing = oneEndpoint();
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
    const { send, links, endpoint } = oneEndpoint();
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
    const one = oneEndpoint();
    const { endpoint, kit, counted } = one;
    one.health = 'failing';
    for (let at = 0; at < 5; at++) endpoint.judge('failure', endpoint.epoch);
    expect([endpoint.available, endpoint.reachable]).toEqual([false, true]);
    kit.pass(1000);
    await settled();
    expect(endpoint.available).toBe(false);
    one.health = 'serving';
    kit.pass(1000);
    await settled();
    expect(endpoint.available).toBe(true);
    expect(counted('outrigger_gate_changes_total', 'shut')).toBe(1);
    expect(counted('outrigger_gate_changes_total', 'open')).toBe(1);
    expect(counted('outrigger_probes_total', 'serving')).toBe(1);
  });
});

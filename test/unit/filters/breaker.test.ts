import { describe, expect, it } from 'vitest';
import type { Call } from '../../../sidecar/core/call.ts';
import type { GateState, ServiceGateView, Verdict } from '../../../sidecar/core/endpoint.ts';
import { broken, Code, ended, ok, refused, type Status } from '../../../sidecar/core/status.ts';
import { breaker } from '../../../sidecar/filters/breaker.ts';
import { answer, HeldReply, routedCall, run, service } from '../../support/calls.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { stillKit } from '../../support/kit.ts';

const inventory = service('inventory', '10.0.0.1:1');

/** A service's gate in the test's hand. */
class FakeServiceGate implements ServiceGateView {
  idle = false;
  gate: GateState = 'open';
  epoch = 0;
  trialFree = true;
  full = false;
  readonly verdicts: string[] = [];
  refusals = 0;

  enter(): boolean {
    const free = this.gate === 'open' || (this.gate === 'probing' && this.trialFree);
    if (this.gate === 'probing') this.trialFree = false;
    if (free) this.epoch++;
    return free;
  }

  throttles(): boolean {
    return this.full;
  }

  judge(verdict: Verdict, epoch: number): void {
    this.verdicts.push(epoch === this.epoch ? verdict : `stale ${verdict}`);
  }

  begun(epoch: number): void {
    this.verdicts.push(epoch === this.epoch ? 'begun' : 'stale begun');
  }

  refuse(): { readonly why: string; readonly nextMs: number } {
    this.refusals++;
    return { why: '5 failures in a row, the last: lost', nextMs: this.gate === 'shut' ? 640.2 : 0 };
  }
}

const gateOf = (parts: Partial<FakeServiceGate>): FakeServiceGate =>
  Object.assign(new FakeServiceGate(), parts);

const toElsewhere = service('elsewhere', '10.0.0.2:1');
const gates = new Map([
  ['elsewhere', gateOf({ gate: 'shut' })],
  ['tried', gateOf({ gate: 'probing', trialFree: false })],
  ['crowded', gateOf({ full: true })],
]);

keepsTheFilterContract('breaker', {
  make: (kit) => breaker(kit, ({ name }) => gates.get(name) ?? new FakeServiceGate()),
  call: ({ clock }) => routedCall(clock, inventory),
  refused: {
    'a call to a service whose gate is shut': ({ clock }) => routedCall(clock, toElsewhere),
    'a call beside the one on trial': ({ clock }) => routedCall(clock, service('tried')),
    'a call to a service that refuses most': ({ clock }) => routedCall(clock, service('crowded')),
  },
});

/** What the gate hears of a call that ends so, `grantedMs` before its deadline. */
const heard = async (status: Status, grantedMs = Number.POSITIVE_INFINITY): Promise<string[]> => {
  const kit = stillKit();
  const gate = new FakeServiceGate();
  const { call, ...routed } = routedCall(kit.clock, inventory);
  const timed: Call = call.until(kit.clock.now() + grantedMs);
  await run((each) => breaker(kit, () => gate)(each, () => answer(status)), { ...routed, call: timed });
  return gate.verdicts;
};

const peer = (code: Code): Status => ({ code, message: '', from: 'peer', reached: true });

describe('breaker', () => {
  it.each<[string, Status, string]>([
    ['an answer', ok, 'success'],
    ["an app's own error", peer(Code.NOT_FOUND), 'success'],
    ["an app's UNAVAILABLE", peer(Code.UNAVAILABLE), 'failure'],
    ['nobody there', broken('refused', false), 'failure'],
    ['a dead app behind its sidecar', { ...peer(Code.UNAVAILABLE), reached: false }, 'failure'],
    ['a deadline', ended(Code.DEADLINE_EXCEEDED, 'late'), 'neutral'], // it had none: an idle stream
    ["an app's RESOURCE_EXHAUSTED", peer(Code.RESOURCE_EXHAUSTED), 'busy'],
    ['a caller that went away', { ...broken('gone', true), code: Code.CANCELLED }, 'neutral'],
    ['no instance at all', refused(Code.UNAVAILABLE, 'no instance'), 'neutral'],
    ['too little time', refused(Code.DEADLINE_EXCEEDED, 'doomed'), 'neutral'],
    ['a full queue of our own', refused(Code.RESOURCE_EXHAUSTED, 'full'), 'neutral'],
  ])('learns from %s', async (_, status, verdict) => {
    expect(await heard(status)).toEqual([verdict]);
  });

  it('learns from a deadline that left time enough', async () => {
    const late = ended(Code.DEADLINE_EXCEEDED, 'late');
    expect(await heard(late, 10)).toEqual(['failure']);
    expect(await heard(late, 9)).toEqual(['neutral']);
  });

  it('asks and tells nothing where neither breaker nor throttle is wanted', async () => {
    const kit = stillKit();
    for (const gate of [null, gateOf({ idle: true, gate: 'shut', full: true })]) {
      const status = await run(
        (each) => breaker(kit, () => gate)(each, () => answer()),
        routedCall(kit.clock, inventory),
      );
      expect(status).toBe(ok);
      expect(gate?.verdicts ?? []).toEqual([]);
    }
  });

  it('says who refuses, why, and when it is tried next, to people and to gRPC', async () => {
    const kit = stillKit();
    const refusalOf = async (gate: FakeServiceGate) => {
      const reply = await breaker(kit, () => gate)(routedCall(kit.clock, inventory), () => answer());
      let trailers: readonly string[] = [];
      reply.attach({ relay: () => {}, finish: (_, fields) => (trailers = fields) });
      return { ...reply.over, trailers };
    };
    expect(await refusalOf(gateOf({ gate: 'shut' }))).toEqual({
      code: Code.UNAVAILABLE,
      message:
        "the gate of service 'inventory' is shut: 5 failures in a row, the last: lost; it is tried next in 641 ms",
      from: 'mesh',
      reached: false,
      trailers: ['grpc-retry-pushback-ms', '641'],
    });
    expect(await refusalOf(gateOf({ gate: 'probing', trialFree: false }))).toMatchObject({
      message:
        "the gate of service 'inventory' is probing: 5 failures in a row, the last: lost; it is being tried now",
      trailers: ['grpc-retry-pushback-ms', '1000'],
    });
  });

  it('lets one call pass on trial, and tells when its reply begins and how it ends', async () => {
    const kit = stillKit();
    const gate = gateOf({ gate: 'probing' });
    const serve = breaker(kit, () => gate);
    const routed = routedCall(kit.clock, inventory);
    const held = new HeldReply(routed.call.life);
    expect(await serve(routed, () => Promise.resolve(held))).toBe(held);
    expect(gate.verdicts).toEqual(['begun']);
    const beside = await serve(routedCall(kit.clock, inventory), () => answer());
    expect(beside.over?.code).toBe(Code.UNAVAILABLE);
    held.end(peer(Code.UNAVAILABLE));
    expect(gate.verdicts).toEqual(['begun', 'failure']);
  });

  it('gives the trial back when something below is broken', async () => {
    const kit = stillKit();
    const gate = gateOf({ gate: 'probing' });
    await run(
      (each) => breaker(kit, () => gate)(each, () => Promise.reject(new Error('a bug'))),
      routedCall(kit.clock, inventory),
    );
    expect(gate.verdicts).toEqual(['neutral']);
  });
});

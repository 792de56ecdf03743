import { describe, expect, it } from 'vitest';
import type { Attempt } from '../../../sidecar/core/call.ts';
import type { Reply, ReplySink } from '../../../sidecar/core/reply.ts';
import { broken, Code, ok, type Status } from '../../../sidecar/core/status.ts';
import { healthOf, healthProbe } from '../../../sidecar/endpoints/probe.ts';
import { answer, FakeEndpoint, HeldReply } from '../../support/calls.ts';
import { stillKit } from '../../support/kit.ts';

const peer = (code: Code): Status => ({ code, message: '', from: 'peer', reached: true });
const message = (...bytes: number[]) => [0, 0, 0, 0, bytes.length, ...bytes];

/** A reply of these bytes, one at a time. */
const replyOf = (bytes: number[], status: Status = ok): Reply => ({
  head: [],
  over: null,
  trailers: [],
  status: Promise.resolve(status),
  attach(sink: ReplySink) {
    for (const byte of bytes) sink.relay(Uint8Array.of(255, byte, 255), 1, 2);
    sink.finish(status, []);
  },
  taken: () => {},
  discard: () => {},
});

describe('a probe', () => {
  it.each<[string, Status, number[], string]>([
    ['SERVING', ok, message(8, 1), 'serving'],
    ['NOT_SERVING', ok, message(8, 2), 'failing'],
    ['SERVICE_UNKNOWN', ok, message(8, 3), 'failing'],
    ['UNKNOWN', ok, message(8, 0), 'unknown'],
    ['an empty message', ok, message(), 'unknown'],
    ['no message', ok, [], 'unknown'],
    ['a compressed message', ok, [1, 0, 0, 0, 2, 8, 1], 'unknown'],
    ['UNIMPLEMENTED', peer(Code.UNIMPLEMENTED), [], 'unknown'],
    ['NOT_FOUND', peer(Code.NOT_FOUND), [], 'unknown'],
    ['PERMISSION_DENIED', peer(Code.PERMISSION_DENIED), [], 'unknown'],
    ['UNAUTHENTICATED', peer(Code.UNAUTHENTICATED), [], 'unknown'],
    ['UNAVAILABLE', peer(Code.UNAVAILABLE), [], 'failing'],
    ['a lost connection', broken('lost', true), [], 'failing'],
  ])('understands %s', (_, status, bytes, health) => {
    expect(healthOf(status, bytes)).toBe(health);
  });

  it('asks the standard question, past the gate, and reads the answer in any pieces', async () => {
    const kit = stillKit();
    const endpoint = new FakeEndpoint();
    endpoint.gate = 'shut';
    endpoint.answers = () => Promise.resolve(replyOf(message(8, 1)));
    expect(await healthProbe(kit)(endpoint)).toBe('serving');
    expect([endpoint.trialFree, endpoint.verdicts]).toEqual([true, []]);
    const { call } = endpoint.attempts[0]!;
    expect(call.method).toBe('/grpc.health.v1.Health/Check');
    expect(call.deadlineAt).toBe(kit.clock.now() + 1000);
    const sent: number[] = [];
    let ends = 0;
    call.body.attach({
      write: (chunk, start, end) => void sent.push(...chunk.subarray(start, end)),
      end: () => ends++,
    });
    expect([sent, ends]).toEqual([[0, 0, 0, 0, 0], 1]);
    expect(call.life.outcome).toBe(ok);
    expect(kit.wheel.size).toBe(0);
  });

  it('does not wait longer than its time', async () => {
    const kit = stillKit();
    const endpoint = new FakeEndpoint();
    endpoint.answers = (attempt: Attempt) =>
      new Promise((resolve) => {
        attempt.call.life.wait({ cancelled: (status) => resolve(answer(status)) });
      });
    const health = healthProbe(kit, 1000)(endpoint);
    kit.pass(995);
    expect(endpoint.attempts[0]!.call.life.outcome).toBeNull();
    kit.pass(10);
    expect(await health).toBe('failing');
    expect(kit.wheel.size).toBe(0);
  });

  it('gives back the room of an answer without end, and reads its first bytes alone', async () => {
    const kit = stillKit();
    const endpoint = new FakeEndpoint();
    let given = 0;
    const reply = replyOf([...message(8, 1), ...Array(100_000).fill(0)]);
    endpoint.answers = () => Promise.resolve({ ...reply, taken: (bytes) => void (given += bytes) });
    expect(await healthProbe(kit)(endpoint)).toBe('serving');
    expect(given).toBe(100_007);
  });

  it('takes a bug below for a failing app, and leaves nothing behind', async () => {
    const kit = stillKit();
    const endpoint = new FakeEndpoint();
    endpoint.answers = () => Promise.reject(new Error('a bug below'));
    expect(await healthProbe(kit)(endpoint)).toBe('failing');
    expect(endpoint.attempts[0]!.call.life.outcome).toMatchObject({ code: Code.INTERNAL });
    expect(kit.wheel.size).toBe(0);
  });

  it('does not wait longer for an answer that has begun either', async () => {
    const kit = stillKit();
    const endpoint = new FakeEndpoint();
    endpoint.answers = (attempt) => Promise.resolve(new HeldReply(attempt.call.life));
    const health = healthProbe(kit, 1000)(endpoint);
    await Promise.resolve();
    kit.pass(1005);
    expect(await health).toBe('failing');
    expect(kit.wheel.size).toBe(0);
  });
});

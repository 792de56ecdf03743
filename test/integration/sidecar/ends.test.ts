import { once } from 'node:events';
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPlainApp } from '../../support/echo-plain.ts';
import { until } from '../../support/raw-http2.ts';
import { sumOf, type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';

describe('deadlines and cancellations cross both hops', () => {
  let mesh: TwoSidecars;
  let keys = 0;
  beforeAll(async () => {
    mesh = await twoSidecars();
    await mesh.client.call('Unary', 'warm');
  });
  afterAll(() => mesh.close());

  const newKey = (): string => `key-${++keys}`;
  const arrived = async (key: string): Promise<void> => {
    const app = mesh.apps[0]!;
    const before = app.seen.length;
    while (app.seen.length === before && !app.cancelled.has(key))
      await new Promise((resolve) => setImmediate(resolve));
  };

  it('a caller that cancels is heard by the app', async () => {
    const key = newKey();
    const { call, ended } = mesh.client.begin('Slow', key);
    await arrived(key);
    call.cancel();
    expect((await ended).code).toBe(grpc.status.CANCELLED);
    expect(String((await mesh.client.call('Cancelled', key)).answer)).toBe('yes');
  });

  it('a cancelled stream is heard by the app, and the connection lives on', async () => {
    const stream = mesh.client.bidi();
    stream.call.write(Buffer.from('one'));
    await once(stream.call, 'data');
    const dials = sumOf(mesh.caller, 'outrigger_dials_total');
    stream.call.cancel();
    expect((await stream.ended).code).toBe(grpc.status.CANCELLED);
    const cancelled = (): number =>
      sumOf(mesh.callees[0]!, 'outrigger_calls_total', 'method="/interop.Echo/Bidi"', 'code="CANCELLED"');
    await mesh.client.call('Unary', 'after');
    expect(cancelled()).toBe(1);
    expect(sumOf(mesh.caller, 'outrigger_dials_total')).toBe(dials);
  });

  it('the app has strictly less time than the caller gave, and not much less', async () => {
    for (const deadlineMs of [500, 5000, 600_000]) {
      await mesh.client.call('Unary', 'm', { deadlineMs });
      const { leftMs } = mesh.apps[0]!.seen.at(-1)!;
      expect(leftMs).toBeLessThan(deadlineMs);
      expect(leftMs).toBeGreaterThan(deadlineMs - 400);
    }
  });

  it('a call without a deadline has none at the app', async () => {
    await mesh.client.call('Unary', 'm');
    expect(mesh.apps[0]!.seen.at(-1)!.leftMs).toBe(Number.POSITIVE_INFINITY);
  });

  it('a deadline of the caller ends the call at the app too', async () => {
    const key = newKey();
    const { code } = await mesh.client.call('Slow', key, { deadlineMs: 150 });
    expect(code).toBe(grpc.status.DEADLINE_EXCEEDED);
    expect(String((await mesh.client.call('Cancelled', key)).answer)).toBe('yes');
  });

  it('a stream ends at its deadline, with what came before', async () => {
    const stream = mesh.client.bidi({ deadlineMs: 250 });
    stream.call.write(Buffer.from('one'));
    expect((await stream.ended).code).toBe(grpc.status.DEADLINE_EXCEEDED);
    expect(stream.messages.map(String)).toEqual(['one']);
  });

  it('a deadline that is malformed is refused, not ignored', async () => {
    for (const timeout of ['5', '123456789m', '-5m', '5.5m', '5q', '5M5']) {
      const ended = await mesh.client.call('Unary', 'm', { metadata: [['grpc-timeout', timeout]] });
      expect([timeout, ended.code]).toEqual([timeout, grpc.status.INTERNAL]);
      expect(ended.message).toContain('malformed grpc-timeout');
    }
  });

  it('when the caller has ended, nothing is left at either sidecar', async () => {
    await mesh.client.call('Unary', 'last');
    for (const sidecar of [mesh.caller, mesh.callees[0]!])
      expect(sumOf(sidecar, 'outrigger_calls_in_flight')).toBe(0);
    expect(mesh.caller.endpoints().map(({ load }) => load)).toEqual([0]);
  });
});

describe('an app and a client that do not look at deadlines', () => {
  /** The deadline stands in the metadata alone, so that the client library does not end the call itself. */
  const inMetadata = [
    ['grpc-timeout', '120m'],
    ['x-request-id', 'late-1'],
  ] as const;

  it('hear of it from a sidecar, with the reason and the id', async () => {
    const app = await startPlainApp(() => {});
    const mesh = await twoSidecars({ callee: { service: { port: app.port } } });
    try {
      await mesh.client.call('Unary', 'warm', { metadata: inMetadata });
      const ended = await mesh.client.call('Unary', 'm', { metadata: inMetadata });
      expect(ended.code).toBe(grpc.status.DEADLINE_EXCEEDED);
      // Whichever hears its timer first: the callee's has a little less time, and the way back takes as long.
      expect(ended.message).toMatch(/the (caller|callee)'s sidecar: the deadline of [\d.]+ ms has passed/);
      expect(ended.trailers.get('x-request-id')).toEqual(['late-1']);
      expect(ended.trailers.get('x-outrigger-reached')).toEqual([]);
      await until(() => app.resets.length === 2, 'two resets at the app');
    } finally {
      await mesh.close();
      app.close();
    }
  });

  it("hear of it from the callee's sidecar, where the caller has none", async () => {
    const app = await startPlainApp(() => {});
    // Plaintext, so that a client can stand in for a caller's sidecar.
    const mesh = await twoSidecars({ secure: false, callee: { service: { port: app.port } } });
    try {
      const peer = mesh.connect('echo', { target: mesh.callees[0]!.ports.peers! });
      const ended = await peer.call('Unary', 'm', { metadata: inMetadata });
      expect(ended.code).toBe(grpc.status.DEADLINE_EXCEEDED);
      expect(ended.message).toContain(
        "outrigger echo: the callee's sidecar: the deadline of 120 ms has passed",
      );
      expect(ended.message).toContain(`at 127.0.0.1:${app.port}`);
      await until(() => app.resets.length === 1, 'a reset at the app');
    } finally {
      await mesh.close();
      app.close();
    }
  });

  it('control: without a deadline the same call stays until it is cancelled', async () => {
    const app = await startPlainApp(() => {});
    const mesh = await twoSidecars({ callee: { service: { port: app.port } } });
    try {
      const { call, ended } = mesh.client.begin('Unary', 'm');
      await until(() => app.seen.length === 1, 'the call at the app');
      await mesh.client.call('Unary', 'other', { metadata: inMetadata });
      expect(sumOf(mesh.caller, 'outrigger_calls_in_flight')).toBe(1);
      call.cancel();
      expect((await ended).code).toBe(grpc.status.CANCELLED);
      await until(() => app.resets.length === 2, 'two resets at the app');
    } finally {
      await mesh.close();
      app.close();
    }
  });
});

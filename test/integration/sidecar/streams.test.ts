import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sumOf, type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';

const sha256 = (octets: Buffer): string => createHash('sha256').update(octets).digest('hex');

describe('every kind of call passes two sidecars with mutual TLS', () => {
  let mesh: TwoSidecars;
  beforeAll(async () => {
    mesh = await twoSidecars();
  });
  afterAll(() => mesh.close());

  it('a unary call, byte for byte', async () => {
    const request = randomBytes(3000);
    const { code, answer } = await mesh.client.call('Unary', request);
    expect(code).toBe(grpc.status.OK);
    expect(answer?.equals(request)).toBe(true);
  });

  it('an empty message is a message', async () => {
    const { code, answer } = await mesh.client.call('Unary', Buffer.alloc(0));
    expect(code).toBe(grpc.status.OK);
    expect(answer).toHaveLength(0);
  });

  it('4 MiB both ways, by SHA-256', async () => {
    const request = randomBytes(4 * 1024 * 1024);
    const { code, answer } = await mesh.client.call('Unary', request);
    expect(code).toBe(grpc.status.OK);
    expect(sha256(answer!)).toBe(sha256(request));
  });

  it('a client stream: count, order and bytes', async () => {
    const messages = Array.from({ length: 200 }, (_, i) => randomBytes(i * 37));
    const { answer } = await mesh.client.collect(messages);
    const bytes = messages.reduce((sum, each) => sum + each.length, 0);
    expect(JSON.parse(String(answer))).toEqual({
      count: 200,
      bytes,
      sha256: sha256(Buffer.concat(messages)),
    });
  });

  it('a server stream: count, order and bytes', async () => {
    const stream = mesh.client.repeat(500, 700);
    expect((await stream.ended).code).toBe(grpc.status.OK);
    expect(stream.messages.map((each) => `${each[0]}:${each.length}`)).toEqual(
      Array.from({ length: 500 }, (_, i) => `${i % 251}:700`),
    );
  });

  it('a server stream that is slower to read than to write', async () => {
    const stream = mesh.client.repeat(64, 64 * 1024);
    stream.call.pause();
    await stream.headers;
    stream.call.resume();
    expect((await stream.ended).code).toBe(grpc.status.OK);
    expect(stream.messages).toHaveLength(64);
  });

  it('a stream both ways, pipelined', async () => {
    const stream = mesh.client.bidi();
    const sent = Array.from({ length: 1000 }, (_, i) => Buffer.alloc(i % 300, i % 251));
    for (const message of sent) stream.call.write(message);
    stream.call.end();
    expect((await stream.ended).code).toBe(grpc.status.OK);
    expect(sha256(Buffer.concat(stream.messages))).toBe(sha256(Buffer.concat(sent)));
    expect(stream.messages).toHaveLength(1000);
  });

  it('a stream both ways, one message at a time', async () => {
    const stream = mesh.client.bidi();
    for (let i = 0; i < 100; i++) {
      const answer = once(stream.call, 'data');
      stream.call.write(Buffer.from([i]));
      expect((await answer)[0]).toEqual(Buffer.from([i]));
    }
    stream.call.end();
    expect((await stream.ended).code).toBe(grpc.status.OK);
  });

  it('sixty streams at once on one connection, each in its own order', async () => {
    const streams = Array.from({ length: 60 }, () => mesh.client.bidi());
    for (let round = 0; round < 20; round++)
      for (const [i, { call }] of streams.entries()) call.write(Buffer.from([i, round]));
    for (const { call } of streams) call.end();
    const codes = await Promise.all(streams.map(async ({ ended }) => (await ended).code));
    expect(new Set(codes)).toEqual(new Set([grpc.status.OK]));
    for (const [i, { messages }] of streams.entries())
      expect(messages.map((each) => [...each])).toEqual(Array.from({ length: 20 }, (_, round) => [i, round]));
    expect(sumOf(mesh.caller, 'outrigger_links', 'service="echo"')).toBe(1);
  });

  it('a half-close before the first message', async () => {
    const stream = mesh.client.bidi();
    stream.call.end();
    expect((await stream.ended).code).toBe(grpc.status.OK);
    expect(stream.messages).toEqual([]);
  });

  it('a half-close that comes with the last answer still to come', async () => {
    const stream = mesh.client.bidi();
    stream.call.write(Buffer.from('one'));
    await once(stream.call, 'data');
    stream.call.write(Buffer.from('two'));
    stream.call.end();
    expect((await stream.ended).code).toBe(grpc.status.OK);
    expect(stream.messages.map(String)).toEqual(['one', 'two']);
  });

  it('a server that ends while the caller still writes', async () => {
    const stream = mesh.client.bidi({}, 'Early');
    stream.call.write(Buffer.from('first'));
    stream.call.write(randomBytes(20_000));
    const { code, message } = await stream.ended;
    expect([code, message]).toEqual([grpc.status.OUT_OF_RANGE, 'enough']);
    // The connection is as good as before.
    expect((await mesh.client.call('Unary', 'after')).code).toBe(grpc.status.OK);
  });

  it('compressed messages pass unopened', async () => {
    const carried = (): number => sumOf(mesh.caller, 'outrigger_request_bytes_total');
    const before = carried();
    const client = mesh.connect('echo', { 'grpc.default_compression_algorithm': 2 });
    const request = Buffer.alloc(100_000, 'a');
    const { code, answer } = await client.call('Unary', request);
    expect([code, answer?.equals(request)]).toEqual([grpc.status.OK, true]);
    // A hundred thousand times the same letter takes some hundred bytes: those have passed, not the message.
    expect(carried() - before).toBeLessThan(1000);
  });

  it('both sidecars have counted the same calls, and none is left in flight', () => {
    const calls = (code: string): number[] => [
      sumOf(mesh.caller, 'outrigger_calls_total', 'direction="outbound"', `code="${code}"`),
      sumOf(mesh.callees[0]!, 'outrigger_calls_total', 'direction="inbound"', `code="${code}"`),
    ];
    const [outbound, inbound] = calls('OK');
    expect(outbound).toBe(inbound);
    expect(outbound).toBeGreaterThan(60);
    expect(calls('OUT_OF_RANGE')).toEqual([1, 1]);
    for (const sidecar of [mesh.caller, mesh.callees[0]!])
      expect(sumOf(sidecar, 'outrigger_calls_in_flight')).toBe(0);
  });
});

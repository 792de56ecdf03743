import { describe, expect, test } from 'vitest';
import type { Call } from '../../../sidecar/core/call.ts';
import { Code } from '../../../sidecar/core/status.ts';
import { settled } from '../../support/calls.ts';
import { intakeOnPipe, talking, waiting } from '../../support/intake-pipe.ts';
import { data, message, request, windowUpdate, words } from '../../support/raw-http2.ts';

const id = ['x-request-id', 'order-7'] as const;
const tooLarge = Buffer.concat([Buffer.from([0]), words(1001)]);
const begun = Buffer.concat([Buffer.from([0]), words(10)]);
const head = { ':status': '200', 'content-type': 'application/grpc' };
const noError = 'RST_STREAM 0';

/** Plays the part of correlate. */
const named = (call: Call) => {
  call.life.id = call.arrival.words.requestId;
  return waiting(call);
};

/** The trailers of a stream that broke a limit. */
const because = (status: string, why: string, withId = true) => ({
  'grpc-status': status,
  'grpc-message': `outrigger web: the caller's stream: ${why}`,
  'x-outrigger-from': 'mesh',
  ...(withId && { 'x-request-id': 'order-7' }),
});

describe("a caller's message above the limit", () => {
  const why = 'a message of 1001 bytes; the limit is 1000 (set by limits.message)';
  const limits = { messageBytes: 1000 };

  test('is answered with size, limit and setting, then the stream ends without an error', async () => {
    const { send, heard, breaches, calls, connection } = intakeOnPipe({ limits, service: named });
    send(request(1, false, ...id), data(1, tooLarge));
    expect(heard(1)).toEqual([{ ...head, ...because('8', why) }, noError]);
    expect(breaches).toEqual(['message']);
    expect(calls[0]!.life.outcome).toMatchObject({
      code: Code.RESOURCE_EXHAUSTED,
      from: 'mesh',
      reached: true,
    });
    await settled();
    expect(connection.places).toBe(0);
  });

  test('says so in trailers when the answer has begun', async () => {
    const { send, heard } = intakeOnPipe({ limits, service: talking(10) });
    send(request(1, false, ...id), data(1, message(Buffer.alloc(1000))));
    await settled();
    send(data(1, tooLarge));
    expect(heard(1)).toEqual([head, 10, because('8', why, false), noError]);
  });

  test('is told at once, whatever of the answer still waits for the caller', async () => {
    const { send, heard, loop } = intakeOnPipe({ limits, window: 4, service: talking(10) });
    send(request(1, false));
    await settled();
    expect([heard(1), loop.held]).toEqual([[head, 4], 6]);
    send(data(1, tooLarge));
    expect(heard(1)).toEqual([head, 4, because('8', why, false), noError]);
    expect(loop.held).toBe(0);
  });

  test('what comes behind it is dropped, and the connection lives', async () => {
    const { send, heard, connection } = intakeOnPipe({ limits });
    send(request(1, false), data(1, tooLarge));
    send(data(1, Buffer.alloc(900)), data(1, Buffer.alloc(0), 1), request(3, true));
    await settled();
    expect([heard(1).length, heard(3), connection.state]).toEqual([2, [], 'ready']);
  });

  test('control: below the limit nothing is said', async () => {
    const { send, heard, breaches } = intakeOnPipe({ limits: { messageBytes: 1001 } });
    send(request(1, false), data(1, tooLarge));
    await settled();
    expect([heard(1), breaches]).toEqual([[], []]);
  });
});

describe("a caller's message that is not completed in time", () => {
  const late = async (ms: number) => {
    const port = intakeOnPipe({ service: talking(0) });
    port.send(request(1, false), data(1, begun));
    await settled();
    port.kit.clock.set(port.kit.clock.now() + ms);
    port.loop.tick();
    return port;
  };

  test('ends the call as cancelled by the mesh, and says which setting', async () => {
    const { heard, calls } = await late(30_000);
    const why = 'a message was not completed in time (set by limits.message-time)';
    expect(heard(1)).toEqual([head, because('1', why, false), noError]);
    expect(calls[0]!.life.outcome).toMatchObject({ code: Code.CANCELLED, from: 'mesh' });
  });

  test('control: within its time it may stay as it is', async () => {
    const { heard, calls } = await late(29_999);
    expect([heard(1), calls[0]!.life.outcome]).toEqual([[head], null]);
  });
});

describe('an answer that its caller does not read', () => {
  const why = 'its reader is too slow and memory for waiting bytes is spent (set by limits.held)';
  const slow = async (heldLimit: number) => {
    const port = intakeOnPipe({ heldLimit, window: 100, service: talking(1000) });
    port.send(request(1, true));
    await settled();
    return port;
  };

  test('is given up when memory is spent: trailers say why, for they need no window', async () => {
    const { heard, loop, calls, breaches, connection } = await slow(500);
    expect(heard(1)).toEqual([head, 100, because('8', why, false)]);
    expect([loop.held, breaches, connection.places]).toEqual([0, ['held'], 0]);
    expect(calls[0]!.life.outcome).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, from: 'mesh' });
  });

  test('control: with memory enough it waits for its window', async () => {
    const { send, heard, loop } = await slow(1000);
    expect([heard(1), loop.held]).toEqual([[head, 100], 900]);
    send(windowUpdate(1, 900));
    expect(heard(1)).toEqual([head, 100, 900]);
  });

  test('its end too: trailers that waited behind it make room for those that say why', async () => {
    const { heard, calls, loop, kit } = await slow(1000);
    calls[0]!.life.cancel({ code: Code.DEADLINE_EXCEEDED, message: 'late', from: 'mesh', reached: true });
    expect(heard(1)).toEqual([head, 100]);
    kit.clock.set(kit.clock.now() + 30_000);
    loop.tick();
    const unread = 'the end was not read in time (set by limits.message-time)';
    expect(heard(1)).toEqual([head, 100, because('1', unread, false)]);
  });
});

describe('a stream error of RFC 9113', () => {
  test.each([
    ['a WINDOW_UPDATE of 0', request(1, false), windowUpdate(1, 0), 1],
    ['an overflow of its window', request(1, false), windowUpdate(1, 0x7fff_ffff), 3],
    ['a false content-length', request(1, false, 'content-length', '3'), data(1, Buffer.alloc(4)), 1],
    ['DATA behind its end', request(1, true), data(1, Buffer.alloc(4)), 5],
  ])('is reset as ever: %s', async (_, opening, fault, code) => {
    const { send, heard, calls } = intakeOnPipe();
    send(opening);
    send(fault);
    await settled();
    expect(heard(1)).toEqual([`RST_STREAM ${code}`]);
    expect(calls[0]!.life.outcome).toMatchObject({ code: Code.CANCELLED, from: 'wire' });
  });
});

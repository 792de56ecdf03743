import { describe, expect, test } from 'vitest';
import { Flag, FrameType, preface } from '../../../wire/frames.ts';
import { ErrorCode } from '../../../wire/index.ts';
import {
  block,
  data,
  frame,
  message,
  ping,
  RawPeer,
  request,
  requestFields,
  settings,
  until,
  windowUpdate,
} from '../../support/raw-http2.ts';
import { type Exchange, startWire, type WireOptions } from '../../support/wire-server.ts';
import { leaveNothing } from '../../support/wire-server-leftovers.ts';

leaveNothing();

const never = Number.POSITIVE_INFINITY;

/** What has come by `ms` after `octets` were sent: breaches, and whether the connection is still there. */
const afterWaiting = async (octets: Buffer, ms: number, options: WireOptions = {}) => {
  const clock = { now: 1000 };
  const server = await startWire(options, clock);
  const peer = await RawPeer.dial(server.port, null);
  peer.send(octets);
  await until(
    () => server.connections.length > 0 && server.connections[0]!.socket.bytesRead >= octets.length,
  );
  clock.now += ms;
  server.loop.tick();
  const seen = { breaches: [...server.breaches], there: server.loop.driven.size === 1 };
  peer.close();
  await until(() => server.loop.driven.size === 0);
  await server.close();
  return seen;
};

describe('a peer that does not finish what it began', () => {
  const greeted = Buffer.concat([preface, settings()]);
  const fields = block(...requestFields);
  const headers = frame(FrameType.HEADERS, Flag.END_HEADERS, 1, fields);
  const rows: [string, Buffer, number, WireOptions['limits'], string][] = [
    ['no preface', Buffer.alloc(0), 5000, { prefaceMs: never }, 'preface-timeout'],
    ['half a preface', preface.subarray(0, 10), 5000, { prefaceMs: never }, 'preface-timeout'],
    ['no SETTINGS', preface, 5000, { prefaceMs: never }, 'preface-timeout'],
    [
      'HEADERS without END_HEADERS',
      Buffer.concat([greeted, frame(FrameType.HEADERS, 0, 1, fields)]),
      5000,
      { headersMs: never },
      'headers-timeout',
    ],
    [
      'half a HEADERS frame',
      Buffer.concat([greeted, headers.subarray(0, 40)]),
      5000,
      { headersMs: never },
      'headers-timeout',
    ],
    [
      'four octets of a frame',
      Buffer.concat([greeted, headers.subarray(0, 4)]),
      5000,
      { headersMs: never },
      'headers-timeout',
    ],
    [
      'half a DATA frame',
      Buffer.concat([greeted, headers, data(1, Buffer.alloc(100)).subarray(0, 50)]),
      30_000,
      { messageMs: never },
      'headers-timeout',
    ],
  ];
  test.each(rows)('%s: closed in time, not before; control: without the limit it stays', async (...row) => {
    const [, octets, ms, lifted, breach] = row;
    // Ticks come every 250 ms: the last one before the limit keeps it.
    expect(await afterWaiting(octets, ms - 251)).toEqual({ breaches: [], there: true });
    expect(await afterWaiting(octets, ms - 250)).toEqual({ breaches: [breach], there: false });
    expect(await afterWaiting(octets, ms, { limits: lifted! })).toEqual({ breaches: [], there: true });
  });

  test('an octet every second does not buy a header block more time', async () => {
    const clock = { now: 1000 };
    const server = await startWire({}, clock);
    const peer = await RawPeer.dial(server.port);
    await peer.settle();
    for (let second = 0; second < 5; second++) {
      const read = server.connections[0]!.socket.bytesRead;
      peer.send(headers.subarray(second, second + 1));
      await until(() => server.connections[0]!.socket.bytesRead > read);
      clock.now += 1000;
      server.loop.tick();
    }
    await peer.gone();
    expect(server.breaches).toEqual(['headers-timeout']);
    await server.close();
  });
});

describe('a message begun and not completed', () => {
  const begin = async (options: WireOptions = {}) => {
    const clock = { now: 1000 };
    const server = await startWire(options, clock);
    const peer = await RawPeer.dial(server.port);
    peer.send(request(1, false));
    await peer.settle();
    const pass = (ms: number) => {
      clock.now += ms;
      server.loop.tick();
    };
    const over = async () => {
      peer.close();
      await server.close();
    };
    return { server, peer, pass, over, exchange: server.requests[0]! };
  };
  const half = message(Buffer.alloc(100)).subarray(0, 50);

  test('resets its stream after 30 s and harms no other', async () => {
    const { server, peer, pass, over, exchange } = await begin();
    peer.send(data(1, half), request(3, false));
    await peer.settle(2);
    pass(29_999);
    expect(exchange.aborts).toEqual([]);
    pass(1);
    expect(exchange.aborts).toMatchObject([{ by: 'us', code: ErrorCode.CANCEL, breach: 'message-timeout' }]);
    await peer.settle(3);
    expect(peer.resetCode(1)).toBe(ErrorCode.CANCEL);
    expect(server.requests[1]!.aborts).toEqual([]);
    await over();
  });

  test('control: without the limit it stays for an hour', async () => {
    const { peer, pass, over, exchange } = await begin({ limits: { messageMs: never } });
    peer.send(data(1, half));
    await peer.settle(2);
    pass(3_600_000);
    expect(exchange.aborts).toEqual([]);
    await over();
  });

  test('between messages a stream may be silent for an hour', async () => {
    const { peer, pass, over, exchange } = await begin();
    peer.send(data(1, message(Buffer.alloc(100))));
    await peer.settle(2);
    pass(3_600_000);
    expect(exchange.aborts).toEqual([]);
    await over();
  });

  test('a stream of messages without a pause is not taken for one message', async () => {
    const { peer, pass, over, exchange } = await begin();
    const straddling = Buffer.concat([half.subarray(0, 0), message(Buffer.alloc(100))]);
    peer.send(data(1, half));
    for (let i = 0; i < 5; i++) {
      peer.send(data(1, Buffer.concat([straddling.subarray(50), straddling.subarray(0, 50)])));
      await peer.settle(10 + i);
      pass(10_000);
    }
    expect(exchange.aborts).toEqual([]);
    await over();
  });

  test('while our reader holds back its credit the time of a message stands still', async () => {
    const { peer, pass, over, exchange } = await begin();
    exchange.credits = false;
    const large = message(Buffer.alloc(100_000));
    for (let at = 0; at < 65_535; at += 16_384)
      peer.send(data(1, large.subarray(at, Math.min(at + 16_384, 65_535))));
    await peer.settle(2);
    pass(120_000);
    expect(exchange.aborts).toEqual([]);
    exchange.stream!.credit(65_535);
    pass(29_999);
    expect(exchange.aborts).toEqual([]);
    pass(1);
    expect(exchange.aborts.length).toBe(1);
    await over();
  });
});

describe('a peer that does not read', () => {
  const flood = async (outputBytes: number) => {
    const answer = ({ stream }: Exchange) => {
      stream!.headers([':status', '200', 'x-large', 'a'.repeat(10_000)], null, true);
      stream!.release();
    };
    const server = await startWire({ answer, limits: { outputBytes } });
    const peer = await RawPeer.dial(server.port);
    await peer.settle();
    peer.socket.pause();
    let waiting = 0;
    for (let i = 0; i < 3000 && !peer.closed && server.loop.driven.size > 0; i += 100) {
      await peer.push(...Array.from({ length: 100 }, (_, j) => request(1 + 2 * (i + j), true)));
      waiting = Math.max(waiting, server.connections[0]!.output.waiting);
    }
    await until(() => server.requests.length === 3000 || server.loop.driven.size === 0);
    waiting = Math.max(waiting, server.connections[0]!.output.waiting);
    const seen = { waiting, breaches: [...server.breaches], there: server.loop.driven.size === 1 };
    peer.close();
    await server.close();
    return seen;
  };

  test('is closed once four mebibytes wait; control: without the limit tens of them do', async () => {
    const seen = await flood(1024 * 1024);
    expect(seen).toMatchObject({ breaches: ['output'], there: false });
    expect(seen.waiting).toBeLessThan(6 * 1024 * 1024);
    const control = await flood(Number.MAX_SAFE_INTEGER);
    expect(control).toMatchObject({ breaches: [], there: true });
    expect(control.waiting).toBeGreaterThan(10 * 1024 * 1024);
  });

  test('holds up DATA at a quarter of that, and the connection lives', async () => {
    const body = Buffer.alloc(32 * 1024 * 1024);
    const server = await startWire({
      answer: ({ stream }) => {
        stream!.headers([':status', '200'], null, false);
        stream!.write(body, 0, body.length);
        stream!.trailers(['grpc-status', '0']);
      },
    });
    const peer = await RawPeer.dial(server.port, settings(4, 0x7fff_ffff));
    peer.send(windowUpdate(0, 0x7fff_0000));
    await peer.settle();
    peer.socket.pause();
    await peer.push(request(1, true));
    await until(() => server.connections[0]?.output.congested === true, 'the socket to be full');
    const { output } = server.connections[0]!;
    expect(output.waiting).toBeLessThan(600 * 1024);
    expect(server.breaches).toEqual([]);
    peer.socket.resume();
    await until(() => peer.dataBytes(1) === body.length, 'the rest');
    await until(() => peer.of(FrameType.HEADERS, 1).length === 2, 'the trailers');
    expect(server.loop.held).toBe(0);
    peer.close();
    await server.close();
  });
});

test('a peer that clings to a connection which was ended is torn off within a second', async () => {
  const clock = { now: 1000 };
  const server = await startWire({}, clock);
  const peer = await RawPeer.dial(server.port, settings(), true);
  peer.send(...Array(60).fill(settings()));
  await until(() => peer.goawayCode >= 0, 'GOAWAY');
  for (let i = 0; i < 100; i++) peer.send(ping(i));
  await peer.push(request(1, true));
  clock.now += 999;
  server.loop.tick();
  expect(server.loop.driven.size).toBe(1); // control: before its time it is still there
  clock.now += 1;
  server.loop.tick();
  await until(() => server.loop.driven.size === 0, 'the connection to be freed');
  expect(server.requests).toEqual([]);
  peer.close();
  await server.close();
});

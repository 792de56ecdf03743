import { describe, expect, test } from 'vitest';
import { Flag, FrameType } from '../../../wire/frames.ts';
import { ErrorCode, Loop } from '../../../wire/index.ts';
import {
  data,
  message,
  type RawFrame,
  RawPeer,
  request,
  rst,
  settings,
  until,
  windowUpdate,
} from '../../support/raw-http2.ts';
import { answerEcho, startWire } from '../../support/wire-server.ts';
import { leaveNothing } from '../../support/wire-server-leftovers.ts';

leaveNothing();

const sum = (frames: RawFrame[]): number =>
  frames.reduce((total, each) => total + each.payload.readUInt32BE(0), 0);
const filler = (bytes: number): Buffer[] => {
  const whole = message(Buffer.alloc(bytes - 5));
  return Array.from({ length: Math.ceil(bytes / 16_384) }, (_, i) =>
    whole.subarray(i * 16_384, (i + 1) * 16_384),
  );
};

describe('what we receive', () => {
  test('40 unread streams do not stop the 41st on the same connection', async () => {
    const server = await startWire({
      answer: (exchange) => {
        if (exchange.stream!.id > 80) answerEcho(exchange);
        else exchange.credits = exchange.keeps = false;
      },
    });
    const peer = await RawPeer.dial(server.port);
    for (let id = 1; id < 81; id += 2)
      peer.send(request(id, false), ...filler(65_535).map((part) => data(id, part)));
    const body = message(Buffer.alloc(50_000));
    peer.send(
      request(81, false),
      ...filler(50_005).map((part) => data(81, part)),
      data(81, body.subarray(0, 0), 1),
    );
    await until(() => peer.of(FrameType.HEADERS, 81).length === 2, 'the echo of the 41st');
    expect(peer.dataBytes(81)).toBe(50_005);
    expect(server.requests.slice(0, 40).map((each) => each.bytes)).toEqual(Array(40).fill(65_535));
    for (let id = 1; id < 81; id += 2) expect(peer.of(FrameType.WINDOW_UPDATE, id)).toEqual([]);
    peer.close();
    await server.close();
  });

  test('the connection window returns in full: padding, reset, refused and unknown streams alike', async () => {
    const window = 100_000;
    const server = await startWire({
      limits: { connectionWindow: window, concurrentStreams: 2, resetSample: 1e9 },
      followsMessages: false,
      answer: (exchange) => {
        exchange.credits = false;
      },
    });
    const peer = await RawPeer.dial(server.port);
    await peer.settle();
    const granted = () => sum(peer.of(FrameType.WINDOW_UPDATE, 0)) + 65_535;
    expect(granted()).toBe(window);
    const padded = Buffer.concat([Buffer.from([200]), Buffer.alloc(1000), Buffer.alloc(200)]);
    peer.send(request(1, false), request(3, false), request(5, false));
    let spent = 0;
    const send = async (id: number, payload: Buffer, flags = 0) => {
      peer.send(data(id, payload, flags));
      spent += payload.length;
      if (granted() - spent < 20_000) await peer.settle(spent);
    };
    for (let i = 0; i < 20; i++) await send(1, padded, Flag.PADDED);
    peer.send(rst(1, ErrorCode.CANCEL));
    await peer.settle(3);
    server.requests[1]!.stream!.reset(ErrorCode.CANCEL);
    for (let i = 0; i < 200; i++) await send(i % 2 === 0 ? 3 : 5, Buffer.alloc(1000));
    await peer.settle(4);
    expect(peer.goawayCode).toBe(-1);
    expect(spent).toBe(224_020);
    // All but what has not reached half a window has been returned.
    expect(granted() - spent).toBeGreaterThan(window / 2);
    peer.close();
    await server.close();
  });

  test('more than the connection window is FLOW_CONTROL_ERROR for all, more than the stream window for one', async () => {
    const server = await startWire({
      limits: { connectionWindow: 100_000 },
      followsMessages: false,
      answer: (exchange) => {
        exchange.credits = false;
      },
    });
    const peer = await RawPeer.dial(server.port);
    peer.send(request(1, false), request(3, false));
    await peer.settle();
    for (let i = 0; i < 5; i++) peer.send(data(1, Buffer.alloc(13_108)));
    await peer.settle(2);
    expect(peer.resetCode(1)).toBe(ErrorCode.FLOW_CONTROL_ERROR);
    expect(peer.closed).toBe(false);
    expect(server.requests[0]!.aborts.length).toBe(1);
    peer.close();
    await server.close();
  });

  test('credit follows the reader, and the window of a fast reader grows to its limit and no further', async () => {
    const clock = { now: 1000 };
    const server = await startWire(
      { followsMessages: false, limits: { largestStreamWindow: 262_144 } },
      clock,
    );
    const peer = await RawPeer.dial(server.port);
    peer.send(windowUpdate(0, 1), request(1, false));
    const exchange = () => server.requests[0]!;
    await peer.settle();
    exchange().credits = exchange().keeps = false;
    const grantedNow = () => sum(peer.of(FrameType.WINDOW_UPDATE, 1));
    let spent = 0;
    const spend = async (bytes: number) => {
      for (const part of filler(bytes)) peer.send(data(1, part));
      spent += bytes;
      await peer.settle(spent);
    };
    await spend(40_000);
    expect(grantedNow()).toBe(0); // the reader has said nothing
    exchange().stream!.credit(30_000);
    await peer.settle(1);
    expect(grantedNow()).toBe(0); // less than half a window waits for more
    exchange().stream!.credit(10_000);
    await peer.settle(2);
    expect(grantedNow()).toBe(40_000); // the first round took its time: no growth
    exchange().credits = true;
    for (let round = 0; round < 20; round++) await spend(60_000);
    // A window of 65,535 octets that has doubled twice; a third time would pass the limit.
    expect(65_535 + grantedNow() - spent).toBeLessThanOrEqual(262_140);
    expect(65_535 + grantedNow() - spent).toBeGreaterThan(131_070);
    clock.now += 5000;
    peer.close();
    await server.close();
  });
});

describe('what we send', () => {
  const startBodies = (bytes: number) =>
    startWire({
      answer: (exchange) => {
        const { stream } = exchange;
        stream!.headers([':status', '200'], null, false);
        stream!.write(Buffer.alloc(bytes, stream!.id), 0, bytes);
        stream!.trailers(['grpc-status', '0']);
        stream!.release();
      },
    });

  test('stops at the window, goes on with its credit, and trailers stay behind', async () => {
    const server = await startBodies(100_000);
    const peer = await RawPeer.dial(server.port, settings(4, 10));
    peer.send(request(1, true));
    await peer.settle();
    expect(peer.dataBytes(1)).toBe(10);
    peer.send(windowUpdate(1, 1));
    await peer.settle(2);
    expect(peer.dataBytes(1)).toBe(11);
    expect(server.loop.held).toBe(99_989);
    peer.send(windowUpdate(1, 1_000_000));
    await peer.settle(3);
    expect(peer.dataBytes(1)).toBe(65_535); // now the connection's window
    expect(peer.of(FrameType.HEADERS, 1).length).toBe(1);
    peer.send(windowUpdate(0, 1_000_000));
    await until(() => peer.of(FrameType.HEADERS, 1).length === 2, 'trailers');
    expect(peer.dataBytes(1)).toBe(100_000);
    expect(server.loop.held).toBe(0);
    peer.close();
    await server.close();
  });

  test('SETTINGS may take a window below 0; it must be paid back first', async () => {
    const server = await startBodies(1000);
    const peer = await RawPeer.dial(server.port, settings(4, 500));
    peer.send(request(1, true));
    await peer.settle();
    peer.send(settings(4, 100), windowUpdate(1, 400));
    await peer.settle(2);
    expect(peer.dataBytes(1)).toBe(500);
    peer.send(windowUpdate(1, 1));
    await peer.settle(3);
    expect(peer.dataBytes(1)).toBe(501);
    peer.send(settings(4, 0x7fff_ffff));
    await until(() => peer.dataBytes(1) === 1000, 'the rest');
    peer.close();
    await server.close();
  });

  test('streams that wait for one window take turns', async () => {
    const server = await startBodies(200_000);
    const peer = await RawPeer.dial(server.port, settings(4, 1_000_000));
    peer.send(request(1, true), request(3, true), request(5, true));
    await peer.settle();
    expect(peer.dataBytes()).toBe(65_535);
    peer.send(windowUpdate(0, 196_608));
    await until(() => peer.dataBytes() === 65_535 + 196_608, 'the window to be used');
    const turns = peer.of(FrameType.DATA).map((each) => each.stream);
    expect(peer.dataBytes(3)).toBe(65_536);
    expect(peer.dataBytes(5)).toBe(65_536);
    expect(turns.slice(-6)).toEqual([1, 3, 5, 1, 3, 5]);
    peer.close();
    await server.close();
  });

  test('a connection whose window has been shut for 100 ms takes no new calls', async () => {
    const clock = { now: 1000 };
    const server = await startWire({ answer: answerEcho }, clock);
    const peer = await RawPeer.dial(server.port);
    const [connection] = server.connections;
    const send = filler(65_535).map((part) => data(1, part));
    peer.send(request(1, false), ...send, request(3, false), data(3, message(Buffer.alloc(10))));
    await peer.settle();
    expect(connection!.sending.stuck).toBe(false);
    clock.now += 100;
    expect(connection!.sending.stuck).toBe(true);
    peer.send(windowUpdate(0, 1000));
    await peer.settle(2);
    expect(connection!.sending.stuck).toBe(false);
    peer.close();
    await server.close();
  });
});

describe('the budget of a process', () => {
  const hold = async (heldLimit: number) => {
    const loop = new Loop({ heldLimit });
    const server = await startWire({
      loop,
      answer: ({ stream }) => {
        stream!.headers([':status', '200'], null, false);
        const bytes = stream!.id * 1000;
        stream!.write(Buffer.alloc(bytes), 0, bytes);
      },
    });
    const peers = await Promise.all([
      RawPeer.dial(server.port, settings(4, 0)),
      RawPeer.dial(server.port, settings(4, 0)),
    ]);
    for (const peer of peers) await peer.settle();
    peers[0]!.send(request(1, true), request(31, true));
    await peers[0]!.settle(2);
    peers[1]!.send(request(3, true), request(29, true));
    await peers[1]!.settle(3);
    const seen = {
      held: loop.held,
      breaches: [...server.breaches],
      resets: [
        peers[0]!.resetCode(1),
        peers[0]!.resetCode(31),
        peers[1]!.resetCode(3),
        peers[1]!.resetCode(29),
      ],
    };
    for (const peer of peers) peer.close();
    await until(() => loop.driven.size === 0);
    expect(loop.held).toBe(0);
    await server.close();
    return seen;
  };

  test('the stream that holds most is reset, on whatever connection, and the others go on', async () => {
    expect(await hold(40_000)).toEqual({ held: 33_000, breaches: ['held'], resets: [-1, 11, -1, -1] });
  });

  test('control: with room for all, all wait', async () => {
    expect(await hold(1e9)).toEqual({ held: 64_000, breaches: [], resets: [-1, -1, -1, -1] });
  });
});

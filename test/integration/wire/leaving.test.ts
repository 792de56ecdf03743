import { describe, expect, test } from 'vitest';
import { FrameType, Setting } from '../../../wire/frames.ts';
import { ErrorCode, PingPace } from '../../../wire/index.ts';
import {
  data,
  frame,
  goaway,
  listenRaw,
  message,
  RawPeer,
  request,
  requestFields,
  response,
  rst,
  settings,
  until,
  words,
} from '../../support/raw-http2.ts';
import { answerData, dialWire, type HandClock, startWire } from '../../support/wire-server.ts';
import { leaveNothing } from '../../support/wire-server-leftovers.ts';

leaveNothing();

const lastOf = (peer: RawPeer): number[] =>
  peer.of(FrameType.GOAWAY).map((each) => each.payload.readUInt32BE(0));
const pings = (peer: RawPeer) => peer.of(FrameType.PING).filter((each) => each.flags === 0);

describe('a server that leaves', () => {
  test('says so in two steps, and loses no stream that was under way', async () => {
    const server = await startWire({ answer: answerData('hello') });
    const peer = await RawPeer.dial(server.port);
    peer.send(request(1, false));
    await peer.settle();
    server.connections[0]!.drain('going home');
    server.connections[0]!.drain('twice');
    await until(() => pings(peer).length === 1, 'the first step');
    expect(lastOf(peer)).toEqual([0x7fff_ffff]);
    // Opened before the peer heard of it: taken up.
    peer.send(request(3, true));
    peer.send(frame(FrameType.PING, 1, 0, pings(peer)[0]!.payload));
    await until(() => lastOf(peer).length === 2, 'the second step');
    expect(lastOf(peer)).toEqual([0x7fff_ffff, 3]);
    // Opened behind the second step: not taken up, and no fault either; trailers and DATA of it neither.
    peer.send(request(5, false), data(5, Buffer.alloc(10)), request(5, true), data(1, Buffer.alloc(0), 1));
    await peer.gone();
    expect([peer.dataBytes(1), peer.dataBytes(3), peer.dataBytes(5)]).toEqual([5, 5, 0]);
    expect(lastOf(peer)).toEqual([0x7fff_ffff, 3, 3]);
    expect(peer.of(FrameType.GOAWAY).map((each) => each.payload.readUInt32BE(4))).toEqual([0, 0, 0]);
    expect(server.requests.length).toBe(2);
    expect(server.drainings).toEqual(['going home']);
    expect(server.closings).toEqual(['drained']);
    await server.close();
  });

  test('takes the second step after a second when the peer does not answer, and closes when time is over', async () => {
    const clock: HandClock = { now: 1000 };
    const server = await startWire({ drainMs: 10_000 }, clock);
    const peer = await RawPeer.dial(server.port);
    peer.send(request(1, false));
    await peer.settle();
    server.connections[0]!.drain('going home');
    const pass = (ms: number) => {
      clock.now += ms;
      server.loop.tick();
    };
    pass(999);
    await peer.settle(2);
    expect(lastOf(peer).length).toBe(1);
    pass(1);
    await peer.settle(3);
    expect(lastOf(peer)).toEqual([0x7fff_ffff, 1]);
    pass(8999);
    expect(server.closings).toEqual([]);
    pass(1);
    expect(server.closings).toEqual(['time to drain is over']);
    expect(server.requests[0]!.aborts).toMatchObject([{ by: 'connection', reached: true }]);
    await peer.gone();
    await server.close();
  });

  test('leaves at its maximum age, and when it has been idle', async () => {
    const clock: HandClock = { now: 1000 };
    const server = await startWire({ maxAgeMs: 60_000, limits: { idleMs: 20_000 } }, clock);
    const [busy, idle] = [await RawPeer.dial(server.port), await RawPeer.dial(server.port)];
    busy.send(request(1, false));
    await busy.settle();
    await idle.settle();
    const pass = (ms: number) => {
      clock.now += ms;
      server.loop.tick();
    };
    pass(19_999);
    expect(server.drainings).toEqual([]);
    pass(1);
    expect(server.drainings).toEqual(['idle']);
    pass(40_000);
    expect(server.drainings).toEqual(['idle', 'maximum connection age']);
    busy.send(rst(1, ErrorCode.CANCEL));
    await busy.settle(2);
    pass(1000);
    await busy.gone();
    await idle.gone();
    await server.close();
  });
});

describe('a client whose server leaves', () => {
  const leaving = async (last: number, code: number) => {
    const server = await listenRaw((peer) => peer.send(settings()));
    const client = await dialWire(server.port);
    const calls = [1, 2, 3].map(() => client.call(requestFields, true));
    const peer = server.peers[0]!;
    await until(() => peer.of(FrameType.HEADERS).length === 3, 'the requests');
    peer.send(goaway(last, code));
    await until(() => client.drainings.length === 1 || client.closings.length === 1, 'GOAWAY');
    return { server, client, calls, peer };
  };

  test('knows of streams above the last id that they were never reached; the others finish', async () => {
    const { server, client, calls, peer } = await leaving(3, ErrorCode.NO_ERROR);
    expect(client.connection.room).toBe(0);
    expect(calls.map((call) => call.aborts)).toMatchObject([[], [], [{ by: 'connection', reached: false }]]);
    peer.send(goaway(1, ErrorCode.NO_ERROR)); // a second one may lower it
    await until(() => calls[1]!.aborts.length === 1);
    expect(calls[1]!.aborts).toMatchObject([{ reached: false }]);
    peer.send(response(1, true, ':status', '200', 'grpc-status', '0'));
    await until(() => calls[0]!.last, 'the reply');
    await until(() => client.closings.length === 1, 'the connection to close');
    expect(calls[0]!.aborts).toEqual([]);
    expect(client.closings).toEqual(['drained']);
    await peer.gone();
    await client.close();
    await server.close();
  });

  test('knows with a fault too which of its streams were reached', async () => {
    const { server, client, calls, peer } = await leaving(1, ErrorCode.ENHANCE_YOUR_CALM);
    peer.close();
    await until(() => client.closings.length === 1);
    expect(calls.map((call) => call.aborts[0]!.reached)).toEqual([true, false, false]);
    expect(client.drainings).toEqual(['the peer sent GOAWAY (ENHANCE_YOUR_CALM)']);
    await client.close();
    await server.close();
  });

  test('REFUSED_STREAM means not reached, any other code that the peer may have begun', async () => {
    const server = await listenRaw((peer) => peer.send(settings()));
    const client = await dialWire(server.port);
    const calls = [1, 2].map(() => client.call(requestFields, true));
    await until(() => server.peers[0]!.of(FrameType.HEADERS).length === 2);
    server.peers[0]!.send(rst(1, ErrorCode.REFUSED_STREAM), rst(3, ErrorCode.INTERNAL_ERROR));
    await until(() => calls[1]!.aborts.length === 1);
    expect(calls.map((call) => call.aborts)).toMatchObject([
      [{ by: 'peer', reached: false, code: 7 }],
      [{ by: 'peer', reached: true, code: 2 }],
    ]);
    await client.close();
    await server.close();
  });

  test('a stream opened in the turn of a close counts as reached, for its HEADERS leave with the GOAWAY', async () => {
    const server = await listenRaw((peer) => peer.send(settings()));
    const client = await dialWire(server.port);
    const call = client.call(requestFields, true);
    client.connection.close('enough');
    expect(call.aborts).toMatchObject([{ by: 'connection', reached: true }]);
    await until(() => server.peers[0]!.of(FrameType.GOAWAY).length === 1);
    expect(server.peers[0]!.of(FrameType.HEADERS).length).toBe(1);
    await client.close();
    await server.close();
  });

  test('a stream whose HEADERS never left the process was not reached', async () => {
    const server = await listenRaw((peer) => peer.send(settings()));
    const client = await dialWire(server.port);
    const sent = client.call(requestFields, true);
    await until(() => server.peers[0]!.of(FrameType.HEADERS).length === 1);
    const unsent = client.call(requestFields, true);
    client.connection.socket.emit('error', new Error('ECONNRESET'));
    expect([sent.aborts[0]!.reached, unsent.aborts[0]!.reached]).toEqual([true, false]);
    await client.close();
    await server.close();
  });
});

describe('what was handed to the socket before the turn was over', () => {
  test('may have reached the peer; what was written behind it has not', async () => {
    const server = await listenRaw((peer) => peer.send(settings()));
    const client = await dialWire(server.port);
    const long = [...requestFields, 'x-long', 'v'.repeat(8000)];
    // Ten of these are more than fits into the memory that is written at once.
    const calls = Array.from({ length: 10 }, () => client.call(long, true));
    client.connection.socket.emit('error', new Error('ECONNRESET'));
    const reached = calls.map(({ aborts }) => aborts[0]!.reached);
    expect(reached[0]).toBe(true);
    expect(reached.at(-1)).toBe(false);
    expect(reached.indexOf(false)).toBe(reached.lastIndexOf(true) + 1);
    await client.close();
    await server.close();
  });
});

describe('keepalive', () => {
  const setting = settings(Setting.OUTRIGGER_KEEPALIVE, 1);
  const kept = async (greeting: Buffer) => {
    const clock: HandClock = { now: 1000 };
    const server = await startWire({ keepalive: { intervalMs: 2000, timeoutMs: 1000 } }, clock);
    const peer = await RawPeer.dial(server.port, greeting);
    peer.send(request(1, false), data(1, message(Buffer.alloc(1))));
    await peer.settle();
    const pass = async (ms: number) => {
      clock.now += ms;
      server.loop.tick();
      await new Promise<void>((resolve) => void setImmediate(resolve));
    };
    return { server, peer, pass };
  };

  test('pings a silent outrigger, and gives it up, not after its time but up to a tick before', async () => {
    const { server, peer, pass } = await kept(setting);
    await pass(1749);
    expect(pings(peer).length).toBe(0);
    await pass(251);
    await until(() => pings(peer).length === 1, 'a ping');
    await pass(749);
    expect(server.closings).toEqual([]);
    await pass(251);
    expect(server.closings).toEqual(['the peer does not answer pings']);
    await peer.gone();
    await server.close();
  });

  test('is content with an answer, or with anything that comes', async () => {
    const { server, peer, pass } = await kept(setting);
    for (let i = 0; i < 5; i++) {
      await pass(2000);
      await until(() => pings(peer).length === i + 1, 'a ping');
      if (i % 2 === 0) peer.send(frame(FrameType.PING, 1, 0, pings(peer)[i]!.payload));
      await peer.settle(10 + i);
    }
    await pass(1500);
    expect(server.closings).toEqual([]);
    peer.close();
    await server.close();
  });

  test('a peer that did not say it takes part is pinged after five minutes, while a stream is open', async () => {
    const { server, peer, pass } = await kept(settings());
    await pass(299_999);
    await peer.settle(2);
    expect(pings(peer)).toEqual([]);
    await pass(300_000);
    await until(() => pings(peer).length === 1, 'a ping');
    peer.send(frame(FrameType.PING, 1, 0, pings(peer)[0]!.payload));
    peer.send(frame(FrameType.RST_STREAM, 0, 1, words(8)));
    await peer.settle(3);
    for (let i = 0; i < 5; i++) await pass(300_000);
    await peer.settle(4);
    expect(pings(peer).length).toBe(1);
    expect(server.closings).toEqual([]);
    peer.close();
    await server.close();
  });

  test('who complains of too many pings is pinged half as often, on its next connections too', async () => {
    const strangers = new PingPace();
    const complaint = Buffer.concat([words(0, 0xb), Buffer.from('too_many_pings')]);
    for (const [expected, text] of [
      [300_000, 'enough'],
      [600_000, 'too_many_pings'],
      [1_200_000, 'too_many_pings'],
    ] as const) {
      const server = await startWire({ keepalive: { intervalMs: 2000, timeoutMs: 1000, strangers } });
      const peer = await RawPeer.dial(server.port);
      await peer.settle();
      peer.send(frame(FrameType.GOAWAY, 0, 0, Buffer.concat([complaint.subarray(0, 8), Buffer.from(text)])));
      await peer.settle(2);
      expect(strangers.ms).toBe(expected);
      peer.close();
      await server.close();
    }
  });

  test('a PING is answered with its octets', async () => {
    const { server, peer } = await kept(settings());
    peer.send(frame(FrameType.PING, 0, 0, words(0xdead_beef, 0x0bad_cafe)));
    await until(() =>
      peer.of(FrameType.PING).some((each) => each.payload.equals(words(0xdead_beef, 0x0bad_cafe))),
    );
    peer.close();
    await server.close();
  });
});

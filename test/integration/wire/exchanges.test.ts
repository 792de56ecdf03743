import { describe, expect, test } from 'vitest';
import { Flag, FrameType } from '../../../wire/frames.ts';
import { ErrorCode } from '../../../wire/index.ts';
import {
  data,
  frame,
  listenRaw,
  message,
  RawPeer,
  request,
  requestFields,
  response,
  rst,
  settings,
  until,
} from '../../support/raw-http2.ts';
import { answerData, answerEcho, dialWire, startWire } from '../../support/wire-server.ts';
import { leaveNothing } from '../../support/wire-server-leftovers.ts';

leaveNothing();

describe('a server', () => {
  test('that answers early resets with NO_ERROR behind its trailers; late DATA is credited and dropped', async () => {
    const server = await startWire({
      limits: { connectionWindow: 65_535 },
      answer: ({ stream }) => {
        stream!.headers([':status', '200', 'grpc-status', '5'], null, true);
        stream!.release();
      },
    });
    const peer = await RawPeer.dial(server.port);
    peer.send(request(1, false), data(1, message(Buffer.alloc(1000))));
    await peer.settle();
    const order = peer.frames.filter((each) => each.stream === 1).map((each) => each.type);
    expect(order).toEqual([FrameType.HEADERS, FrameType.RST_STREAM]);
    expect(peer.resetCode(1)).toBe(ErrorCode.NO_ERROR);
    for (let i = 0; i < 40; i++) {
      peer.send(data(1, Buffer.alloc(10_000)));
      await peer.settle(i);
    }
    expect(peer.goawayCode).toBe(-1);
    const credit = peer
      .of(FrameType.WINDOW_UPDATE, 0)
      .reduce((all, each) => all + each.payload.readUInt32BE(0), 0);
    expect(credit).toBeGreaterThan(360_000);
    expect(server.requests[0]!.bytes).toBe(0);
    peer.close();
    await server.close();
  });

  test('knows late DATA of twice as many reset streams as may be open', async () => {
    const server = await startWire({
      limits: { concurrentStreams: 500 },
      answer: ({ stream }) => stream!.headers([':status', '200'], null, false),
    });
    const peer = await RawPeer.dial(server.port);
    for (let round = 0; round < 5; round++) {
      const ids = Array.from({ length: 200 }, (_, i) => 400 * round + 2 * i + 1);
      peer.send(...ids.map((id) => request(id, false)));
      await peer.settle(round);
      for (const { stream } of server.requests.slice(-200)) {
        stream!.reset(ErrorCode.CANCEL);
        stream!.release();
      }
    }
    peer.send(...Array.from({ length: 1000 }, (_, i) => data(2 * i + 1, Buffer.alloc(1))));
    await peer.settle(9);
    expect(peer.goawayCode).toBe(-1);
    peer.close();
    await server.close();
  });

  test('hears trailers, and a half-close with octets or without', async () => {
    const server = await startWire({ answer: answerData('hello') });
    const peer = await RawPeer.dial(server.port);
    peer.send(request(1, false), data(1, message(Buffer.alloc(3))), response(1, true, 'x-sum', '9'));
    peer.send(request(3, false), data(3, message(Buffer.alloc(3)), Flag.END_STREAM));
    peer.send(request(5, false), data(5, Buffer.alloc(0), Flag.END_STREAM));
    await until(() => peer.dataBytes() === 15, 'three answers');
    expect(server.requests.map((each) => [each.bytes, each.last, each.field('x-sum')])).toEqual([
      [8, true, '9'],
      [8, true, undefined],
      [0, true, undefined],
    ]);
    expect(server.connections[0]!.streams.size).toBe(0);
    expect(server.connections[0]!.places).toBe(0);
    peer.close();
    await server.close();
  });

  test('answers HTTP/1.1 in its own words, with no frame before them', async () => {
    const http1Answer = Buffer.from('HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-length: 0\r\n\r\n');
    const server = await startWire({ http1Answer: () => http1Answer, answer: answerData('hello') });
    const peer = await RawPeer.dial(server.port, null);
    peer.send(Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n'));
    await peer.gone();
    expect(peer.text).toBe(http1Answer.toString());
    const old = await RawPeer.dial(server.port, null);
    old.send(Buffer.from('P'));
    await until(() => (server.connections[1]?.socket.bytesRead ?? 0) === 1);
    old.send(Buffer.from('OST / HTTP/1.1\r\n\r\n'));
    await old.gone();
    expect(old.text).toBe(http1Answer.toString());
    const modern = await RawPeer.dial(server.port);
    modern.send(request(1, true));
    await until(() => modern.dataBytes(1) === 5, 'an answer');
    expect(modern.of(FrameType.SETTINGS).filter((each) => each.flags === 0).length).toBe(1);
    expect(modern.of(FrameType.WINDOW_UPDATE, 0).length).toBe(1);
    modern.close();
    await server.close();
  });

  test('ends a connection that begins with noise, and others live on', async () => {
    const server = await startWire({ http1Answer: () => Buffer.from('HTTP/1.1 505 x\r\n\r\n') });
    const other = await RawPeer.dial(server.port);
    await other.settle();
    const noise = await RawPeer.dial(server.port, null);
    noise.send(Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1]));
    await noise.gone();
    expect(noise.text).toBe('');
    expect(noise.goawayCode).toBe(-1); // nothing was said before, so there is no goodbye
    await other.settle(2);
    other.close();
    await server.close();
  });

  test('refuses streams above its limit, takes up what fits, and lives', async () => {
    const server = await startWire({});
    const peer = await RawPeer.dial(server.port);
    peer.send(...Array.from({ length: 130 }, (_, i) => request(2 * i + 1, true)));
    await peer.settle();
    const refused = peer.of(FrameType.RST_STREAM);
    expect(server.requests.length).toBe(100);
    expect(refused.map((each) => each.payload.readUInt32BE(0))).toEqual(
      Array(30).fill(ErrorCode.REFUSED_STREAM),
    );
    expect(server.breaches).toEqual(Array(30).fill('streams'));
    answerData('hello')(server.requests[7]!);
    await until(() => peer.dataBytes(15) === 5, 'an answer');
    peer.send(request(301, true));
    await peer.settle(2);
    expect(server.requests.length).toBe(101);
    peer.close();
    await server.close();
  });

  test('control: without the limit all 130 are taken up', async () => {
    const server = await startWire({ limits: { concurrentStreams: 1e6 } });
    const peer = await RawPeer.dial(server.port);
    peer.send(...Array.from({ length: 130 }, (_, i) => request(2 * i + 1, true)));
    await peer.settle();
    expect(server.requests.length).toBe(130);
    expect(server.breaches).toEqual([]);
    peer.close();
    await server.close();
  });
});

describe('a client', () => {
  const against = async (...answers: Buffer[]) => {
    const server = await listenRaw((peer) => peer.send(settings(3, 2)));
    const client = await dialWire(server.port);
    const call = client.call(requestFields, false);
    await until(() => server.peers[0]!.of(FrameType.HEADERS).length === 1, 'the request');
    server.peers[0]!.send(...answers);
    const over = async () => {
      await client.close();
      await server.close();
    };
    return { server, client, call, over, peer: server.peers[0]! };
  };

  test('hears a head, DATA and trailers', async () => {
    const body = message(Buffer.from('hi'));
    const { call, over } = await against(
      response(1, false, ':status', '200'),
      data(1, body),
      response(1, true, 'grpc-status', '0'),
    );
    await until(() => call.last, 'the reply');
    expect(call.lists).toEqual([
      [':status', '200'],
      ['grpc-status', '0'],
    ]);
    expect(call.body.equals(body)).toBe(true);
    await over();
  });

  test('hears trailers alone, and interim responses not at all', async () => {
    const { call, over } = await against(
      response(1, false, ':status', '100'),
      response(1, false, ':status', '103', 'link', 'x'),
      response(1, true, ':status', '200', 'grpc-status', '12'),
    );
    await until(() => call.last, 'the reply');
    expect(call.lists).toEqual([[':status', '200', 'grpc-status', '12']]);
    await over();
  });

  test('has the whole reply when the server answers early, and may go on with other streams', async () => {
    const { call, client, over } = await against(
      response(1, true, ':status', '200', 'grpc-status', '5'),
      rst(1, ErrorCode.NO_ERROR),
    );
    await until(() => call.aborts.length === 1, 'the reset');
    expect(call.last).toBe(true);
    expect(call.aborts).toMatchObject([{ by: 'peer', code: ErrorCode.NO_ERROR }]);
    call.target.write(Buffer.alloc(10), 0, 10); // goes nowhere
    expect(client.connection.room).toBe(2);
    await over();
  });

  test('sees no more room than the server gives, and hears when there is more', async () => {
    const { client, peer, over } = await against();
    expect(client.connection.room).toBe(1);
    client.call(requestFields, true);
    expect(client.connection.room).toBe(0);
    const rooms = client.rooms;
    peer.send(response(3, true, ':status', '200'));
    await until(() => client.rooms > rooms, 'room');
    expect(client.connection.room).toBe(1);
    peer.send(settings(3, 0));
    await until(() => client.connection.room === 0, 'no room');
    peer.send(settings(3, 100));
    await until(() => client.connection.room === 99, 'room for all but one');
    await over();
  });

  const wrong: [string, Buffer][] = [
    ['DATA before the head', data(1, Buffer.alloc(1))],
    ['a head without :status', response(1, false, 'a', 'b')],
    ['a head with :path', response(1, false, ':status', '200', ':path', '/')],
    ['an interim response that ends the stream', response(1, true, ':status', '100')],
    ['a status of four digits', response(1, false, ':status', '2000')],
    [
      'trailers with :status',
      Buffer.concat([response(1, false, ':status', '200'), response(1, true, ':status', '200')]),
    ],
    [
      'trailers that end nothing',
      Buffer.concat([response(1, false, ':status', '200'), response(1, false, 'a', 'b')]),
    ],
  ];
  test.each(wrong)('resets the stream for %s, and keeps the connection', async (_, octets) => {
    const { call, client, peer, over } = await against(octets);
    await until(() => call.aborts.length === 1, 'the reset');
    expect(call.aborts).toMatchObject([{ by: 'us', code: ErrorCode.PROTOCOL_ERROR, reached: true }]);
    await peer.settle();
    expect(peer.resetCode(1)).toBe(ErrorCode.PROTOCOL_ERROR);
    expect(client.closings).toEqual([]);
    await over();
  });

  test('ends the connection for a pushed stream and for interim responses without end', async () => {
    const pushed = await against(frame(FrameType.PUSH_PROMISE, Flag.END_HEADERS, 1, Buffer.alloc(4)));
    await until(() => pushed.client.closings.length === 1);
    expect(pushed.client.closings).toEqual(['PROTOCOL_ERROR: PUSH_PROMISE, which nobody allowed']);
    await pushed.over();
    const endless = await against(...Array(600).fill(response(1, false, ':status', '100')));
    await until(() => endless.client.closings.length === 1);
    expect(endless.client.breaches).toEqual(['priorities']);
    await endless.over();
  });
});

test('200 streams at a time echo through both roles, with octets, order and trailers', async () => {
  const server = await startWire({ answer: answerEcho, limits: { concurrentStreams: 200 } });
  const client = await dialWire(server.port);
  const calls = Array.from({ length: 200 }, (_, i) => {
    const call = client.call([...requestFields, 'x-secret', `s${i}`], false, ['x-secret']);
    const body = message(Buffer.alloc(i * 1000, i));
    for (let at = 0; at < body.length; at += 7000)
      call.target.write(body, at, Math.min(body.length, at + 7000));
    call.target.trailers(['x-end', `e${i}`], ['x-end']);
    return { call, body };
  });
  await until(() => calls.every(({ call }) => call.last), 'all echoes');
  for (const { call, body } of calls) {
    expect(call.body.equals(body)).toBe(true);
    expect(call.field('grpc-status')).toBe('0');
    expect(call.sentBytes).toBe(body.length);
  }
  expect(server.requests.map((each) => each.never[0])).toEqual(Array(200).fill(['x-secret']));
  expect(server.requests.map((each) => each.never[1])).toEqual(Array(200).fill(['x-end']));
  expect(server.connections[0]!.places).toBe(0);
  expect([client.loop.held, server.loop.held]).toEqual([0, 0]);
  await client.close();
  await server.close();
});

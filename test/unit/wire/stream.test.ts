import { expect, test } from 'vitest';
import { Flag, FrameType, preface } from '../../../wire/frames.ts';
import { Decoder } from '../../../wire/hpack/decoder.ts';
import { Connection, defaultLimits, Loop, type Stream } from '../../../wire/index.ts';
import { request, requestFields, settings, windowUpdate } from '../../support/raw-http2.ts';
import { PipeSocket } from '../../support/wire-server-pipe.ts';

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** A connection on a pipe, greeted with `initialWindow`, with one stream open. */
const begin = (role: 'client' | 'server', initialWindow: number) => {
  const clock = { now: 1000 };
  const loop = new Loop({ now: () => clock.now });
  const pipe = new PipeSocket();
  const ear = { sent: (_: number): void => {}, aborted: [] as string[] };
  const listener = {
    headers: () => {},
    data: () => {},
    sent: (bytes: number) => ear.sent(bytes),
    aborted: ({ message }: { message: string }) => void ear.aborted.push(message),
  };
  let stream: Stream | null = null;
  const connection = new Connection(pipe.socket, {
    role,
    loop,
    limits: defaultLimits,
    listener: {
      ready: () => {},
      room: () => {},
      draining: () => {},
      closed: () => {},
      breach: () => {},
      stream: (each) => {
        stream = each;
        return listener;
      },
    },
  });
  pipe.emit(
    'data',
    Buffer.concat([role === 'server' ? preface : Buffer.alloc(0), settings(4, initialWindow)]),
  );
  if (role === 'server') pipe.emit('data', request(1, true));
  else stream = connection.open(requestFields, null, false, listener);
  /** What has been written so far, flushed. */
  const frames = (): Frame[] => {
    connection.flush();
    const octets = Buffer.concat(pipe.written).subarray(role === 'client' ? preface.length : 0);
    const all: Frame[] = [];
    for (let at = 0; at < octets.length; at += 9 + octets.readUIntBE(at, 3))
      all.push({
        type: octets[at + 3]!,
        flags: octets[at + 4]!,
        stream: octets.readUInt32BE(at + 5),
        payload: octets.subarray(at + 9, at + 9 + octets.readUIntBE(at, 3)),
      });
    return all;
  };
  const text = () =>
    frames()
      .filter((each) => each.type === FrameType.DATA)
      .map((each) => each.payload.toString('latin1'))
      .join('');
  return { clock, loop, pipe, ear, connection, stream: stream!, frames, text };
};

const write = (stream: Stream, text: string): void => {
  const octets = Buffer.from(text, 'latin1');
  stream.write(octets, 0, octets.length);
};

test('what a listener writes while it hears of sent octets stands behind what was written before', () => {
  const { ear, stream, pipe, text } = begin('client', 5);
  let more = ['-second', '-third'];
  ear.sent = () => {
    const [next, ...rest] = more;
    more = rest;
    if (next !== undefined) write(stream, next);
    else stream.end();
  };
  write(stream, 'the first');
  expect(text()).toBe('the f');
  pipe.emit('data', windowUpdate(1, 1000));
  expect(text()).toBe('the first-second-third');
});

test('a stream is half-closed once, whoever asks while octets are sent', () => {
  const { ear, stream, pipe, frames, loop } = begin('client', 0);
  ear.sent = () => stream.end();
  write(stream, 'one');
  write(stream, 'two'.repeat(1000));
  pipe.emit('data', windowUpdate(1, 100_000));
  const ends = frames().filter((each) => each.type === FrameType.DATA && each.flags & Flag.END_STREAM);
  expect(ends.length).toBe(1);
  expect(loop.held).toBe(0);
});

test('a stream that is reset while octets are sent holds nothing of the budget', () => {
  const { ear, stream, loop } = begin('client', 5);
  ear.sent = () => stream.reset(8);
  write(stream, 'more than five');
  expect(stream.closed).toBe(true);
  expect(loop.held).toBe(0);
});

test('an empty write to a blocked stream does not stop it for good', () => {
  const { stream, pipe, text } = begin('server', 3);
  stream.headers([':status', '200'], null, false);
  write(stream, 'abcdef');
  write(stream, '');
  write(stream, 'ghi');
  write(stream, '');
  stream.trailers(['grpc-status', '0']);
  expect(text()).toBe('abc');
  pipe.emit('data', windowUpdate(1, 100));
  expect(text()).toBe('abcdefghi');
});

test('octets of one write each keep their order through a queue, and through what is taken from its middle', () => {
  const { stream, pipe, text, loop } = begin('server', 0);
  stream.headers([':status', '200'], null, false);
  const octets = Array.from({ length: 20_000 }, (_, i) => String.fromCharCode(33 + (i % 90)));
  octets.forEach((octet, i) => {
    write(stream, octet);
    if (i % 700 === 0) pipe.emit('data', windowUpdate(1, 333));
  });
  expect(loop.held).toBe(20_000 - text().length);
  pipe.emit('data', windowUpdate(1, 65_000));
  expect(text()).toBe(octets.join(''));
  expect(loop.held).toBe(0);
});

test('octets that come back to a stream keep no chunk alive: they are copied', () => {
  const { stream, pipe, text } = begin('server', 0);
  stream.headers([':status', '200'], null, false);
  const chunk = Buffer.alloc(65_536, 'x');
  stream.write(chunk, 100, 200);
  chunk.fill('y');
  pipe.emit('data', windowUpdate(1, 1000));
  expect(text()).toBe('x'.repeat(100));
});

test('the never-indexed bit of trailers survives a queue', () => {
  const { stream, pipe, frames } = begin('server', 0);
  stream.headers([':status', '200'], null, false);
  write(stream, 'abc');
  stream.trailers(['grpc-status', '0', 'x-secret', 's'], ['x-secret']);
  pipe.emit('data', windowUpdate(1, 100));
  const decoder = new Decoder(defaultLimits);
  const lists = frames()
    .filter((each) => each.type === FrameType.HEADERS)
    .map(({ payload }) => {
      decoder.decode(payload, 0, payload.length);
      return [decoder.fields, decoder.never];
    });
  expect(lists).toEqual([
    [[':status', '200'], null],
    [['grpc-status', '0', 'x-secret', 's'], ['x-secret']],
  ]);
});

test('small writes of a turn share a frame, another stream or header block between them ends it', () => {
  const { stream, connection, frames } = begin('server', 65_535);
  stream.headers([':status', '200'], null, false);
  for (const each of 'abc') write(stream, each);
  connection.output.words(FrameType.PING, 0, 0, 1, 2);
  for (const each of 'def') write(stream, each);
  stream.end();
  const heard = frames()
    .filter((each) => each.stream === 1)
    .map((each) => [each.type, each.flags, each.payload.toString('latin1')]);
  expect(heard.slice(1)).toEqual([
    [FrameType.DATA, 0, 'abc'],
    [FrameType.DATA, Flag.END_STREAM, 'def'],
  ]);
});

test('a frame that was flushed is not touched again: the end comes in one of its own', () => {
  const { stream, frames } = begin('server', 65_535);
  stream.headers([':status', '200'], null, false);
  write(stream, 'abc');
  frames();
  write(stream, 'def');
  frames();
  stream.end();
  const heard = frames()
    .filter((each) => each.type === FrameType.DATA)
    .map((each) => [each.flags, each.payload.length]);
  expect(heard).toEqual([
    [0, 3],
    [0, 3],
    [Flag.END_STREAM, 0],
  ]);
});

test('the smallest table of one SETTINGS frame is announced before the newest', () => {
  const { pipe, stream, frames } = begin('server', 65_535);
  pipe.emit('data', settings(1, 0, 1, 4096));
  stream.headers([':status', '200'], null, false);
  const head = frames().find((each) => each.type === FrameType.HEADERS)!;
  expect(head.payload.toString('hex')).toBe('203fe11f88');
});

test('a socket that was dead when it came leaves the loop with its preface timer', () => {
  const { loop, clock, pipe } = begin('client', 0);
  pipe.emit('close');
  const dead = new PipeSocket();
  dead.destroyed = true; // it has said 'close' before anybody listened
  const breaches: string[] = [];
  new Connection(dead.socket, {
    role: 'server',
    loop,
    limits: defaultLimits,
    listener: {
      ready: () => {},
      room: () => {},
      draining: () => {},
      closed: () => {},
      breach: (each) => void breaches.push(each),
      stream: () => {
        throw new Error('no stream can come');
      },
    },
  });
  expect(loop.driven.size).toBe(1);
  clock.now += 5000;
  loop.tick();
  expect(loop.driven.size).toBe(0);
  expect(breaches).toEqual(['preface-timeout']);
});

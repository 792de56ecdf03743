import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { Flag, FrameType, preface } from '../../wire/frames.ts';
import { Loop, type Stream } from '../../wire/index.ts';
import {
  block,
  data,
  frame,
  goaway,
  message,
  ping,
  request,
  requestFields,
  response,
  rst,
  settings,
  settingsAck,
  windowUpdate,
} from '../support/raw-http2.ts';
import { forShare } from './budget.ts';
import { watched } from './watched.ts';

const trouble: unknown[] = [];
process.on('uncaughtException', (error) => void trouble.push(error));
process.on('unhandledRejection', (error) => void trouble.push(error));
afterAll(() => expect(trouble).toEqual([]));

const everything = Buffer.concat([
  preface,
  settings(4, 70_000),
  settingsAck,
  request(1, false, 'x-a', 'b'.repeat(300)),
  data(1, message(Buffer.alloc(700, 1))),
  frame(
    FrameType.HEADERS,
    0x28,
    3,
    Buffer.concat([
      Buffer.from([2, 0, 0, 0, 0, 9]),
      Buffer.alloc(0),
      block(...requestFields),
      Buffer.alloc(2),
    ]),
  ),
  frame(FrameType.CONTINUATION, 0, 3, block('x-more', 'yes')),
  frame(FrameType.CONTINUATION, Flag.END_HEADERS, 3),
  ping(),
  data(3, Buffer.concat([Buffer.from([3]), message(Buffer.alloc(40, 3)), Buffer.alloc(3)]), Flag.PADDED),
  frame(0x55, 0xff, 77, Buffer.alloc(33)),
  windowUpdate(0, 1000),
  windowUpdate(1, 1000),
  frame(FrameType.PRIORITY, 0, 9, Buffer.alloc(5)),
  response(1, true, 'x-trailer', 'yes'),
  rst(3, 8),
  request(5, true),
  data(5, Buffer.alloc(1)),
  goaway(0, 0),
]);

test('a conversation means the same however the network cuts it', () => {
  const play = (cuts: readonly number[]) => {
    const loop = new Loop({ now: () => 1000 });
    const { pipe, happenings, connection } = watched('server', loop, (stream, bytes) =>
      stream.write(bytes, 0, bytes.length),
    );
    const borders = [...new Set([0, ...cuts, everything.length])].sort((a, b) => a - b);
    for (let i = 1; i < borders.length; i++)
      pipe.emit('data', everything.subarray(borders[i - 1], borders[i]));
    connection.flush();
    const written = Buffer.concat(pipe.written).toString('hex');
    connection.close('over');
    pipe.emit('close');
    expect([loop.held, loop.driven.size]).toEqual([0, 0]);
    return { happenings, written };
  };
  const whole = play([]);
  expect(whole.happenings.map(([what, id]) => `${what} ${id ?? ''}`)).toEqual([
    'ready ',
    'request 1',
    'data 1',
    'request 3',
    'data 3',
    'headers 1',
    'aborted 3',
    'request 5',
    'aborted 5',
    'draining the peer sent GOAWAY (NO_ERROR)',
    'aborted 1',
    'closed over',
  ]);
  const octetByOctet = play(Array.from({ length: everything.length }, (_, i) => i));
  expect(octetByOctet).toEqual(whole);
  fc.assert(
    fc.property(fc.array(fc.nat(everything.length), { maxLength: 40 }), (cuts) => {
      expect(play(cuts)).toEqual(whole);
    }),
    forShare(0.15),
  );
});

const id = fc.oneof(fc.constantFrom(0, 1, 3, 5, 7, 2, 0x7fff_ffff), fc.nat(40));
const noise = fc.uint8Array({ maxLength: 60 }).map((octets) => Buffer.from(octets));
const anyFrame = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(id, fc.boolean()).map(([stream, last]) => request(stream | 1, last)) },
  {
    weight: 2,
    arbitrary: fc.tuple(id, fc.boolean()).map(([stream, last]) => response(stream, last, ':status', '200')),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(id, fc.boolean()).map(([stream, last]) => response(stream, last, 'grpc-status', '0')),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(id, fc.nat(3000), fc.constantFrom(0, 1))
      .map(([stream, size, flags]) => data(stream, message(Buffer.alloc(size)), flags)),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(id, noise, fc.constantFrom(0, 1, 8, 9))
      .map(([stream, octets, flags]) => data(stream, octets, flags)),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(id, fc.oneof(fc.nat(70_000), fc.constantFrom(0, 0x7fff_ffff)))
      .map(([stream, by]) => windowUpdate(stream, by)),
  },
  {
    weight: 2,
    arbitrary: fc
      .array(
        fc.tuple(
          fc.integer({ min: 1, max: 7 }),
          fc.oneof(fc.nat(70_000), fc.constantFrom(0, 1, 16_384, 0x7fff_ffff)),
        ),
        { maxLength: 3 },
      )
      .map((pairs) => settings(...pairs.flat())),
  },
  { weight: 1, arbitrary: fc.tuple(id, fc.nat(14)).map(([stream, code]) => rst(stream, code)) },
  { weight: 1, arbitrary: fc.tuple(id, fc.nat(14)).map(([last, code]) => goaway(last, code)) },
  { weight: 1, arbitrary: fc.constant(ping()) },
  { weight: 1, arbitrary: fc.tuple(fc.nat(12), fc.nat(255), id, noise).map((parts) => frame(...parts)) },
  { weight: 1, arbitrary: noise },
);
/** What we send must be a conversation too: nothing behind END_STREAM or RST_STREAM, no frame too large. */
const checkWritten = (octets: Buffer): void => {
  const over = new Set<number>();
  for (let at = 0; at < octets.length; ) {
    const size = octets.readUIntBE(at, 3);
    const [type, flags, stream] = [octets[at + 3]!, octets[at + 4]!, octets.readUInt32BE(at + 5)];
    if (size > 16_384) throw new Error(`a frame of ${size} octets`);
    if (type === FrameType.DATA || type === FrameType.HEADERS) {
      if (over.has(stream)) throw new Error(`frame ${type} behind the end of stream ${stream}`);
      if (flags & Flag.END_STREAM) over.add(stream);
    } else if (type === FrameType.RST_STREAM) over.add(stream);
    at += 9 + size;
    if (at > octets.length) throw new Error('half a frame');
  }
};

/** What a listener may do in the middle of it all. */
const whim = fc.constantFrom(
  'echo',
  'end',
  'trailers',
  'reset',
  'write more',
  'ignore',
  'drain',
  'stall',
  'unstall',
  'tick',
);

test.each(['server', 'client'] as const)(
  'whatever comes, a %s throws nothing, hangs nowhere and holds nothing after',
  async (role) => {
    const runs: Promise<void>[] = [];
    fc.assert(
      fc.property(
        fc.array(anyFrame, { maxLength: 40 }),
        fc.array(whim, { minLength: 1, maxLength: 30 }),
        fc.nat(200),
        (frames, whims, cut) => {
          const clock = { now: 1000 };
          const loop = new Loop({ now: () => clock.now, heldLimit: 20_000 });
          let turn = 0;
          const act = (stream: Stream, bytes: Buffer) => {
            stream.credit(bytes.length);
            switch (whims[turn++ % whims.length]) {
              case 'echo':
                return stream.write(bytes, 0, bytes.length);
              case 'write more':
                return stream.write(Buffer.alloc(9000), 0, 9000);
              case 'end':
                return stream.end();
              case 'trailers':
                return stream.trailers(['grpc-status', '0']);
              case 'reset':
                return stream.reset(8);
              case 'drain':
                return stream.connection.drain('a whim');
              case 'stall':
                watch.pipe.stalled = true;
                return;
              case 'unstall':
                return watch.pipe.unstall();
              case 'tick':
                clock.now += 700;
                return loop.tick();
            }
          };
          const watch = watched(role, loop, act);
          const { pipe, connection } = watch;
          const octets = Buffer.concat([
            role === 'server' ? preface : Buffer.alloc(0),
            settings(),
            ...frames,
          ]);
          pipe.emit('data', octets.subarray(0, cut));
          if (role === 'client')
            for (let i = 0; i < 4 && connection.room > 0; i++) {
              const stream: Stream = connection.open(
                requestFields,
                null,
                i === 0,
                watch.hear(() => stream),
              );
              act(stream, Buffer.alloc(100 * i));
            }
          for (let at = cut; at < octets.length; at += 97) pipe.emit('data', octets.subarray(at, at + 97));
          connection.flush();
          clock.now += 60_000;
          loop.tick();
          connection.flush();
          connection.close('over');
          expect(loop.held).toBe(0);
          checkWritten(Buffer.concat(pipe.written).subarray(role === 'client' ? preface.length : 0));
          expect(connection.streams.size).toBe(0);
          expect(watch.happenings.filter(([what]) => what === 'closed').length).toBe(1);
          pipe.destroy();
          runs.push(
            new Promise((resolve) => {
              pipe.on('close', resolve);
            }),
          );
          if (loop.driven.size > 1) throw new Error('a connection drives another');
        },
      ),
      forShare(0.15),
    );
    await new Promise<void>((resolve) => void setImmediate(resolve));
    expect(runs.length).toBeGreaterThan(100);
  },
);

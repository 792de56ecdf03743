import { describe, expect, test } from 'vitest';
import { Flag, FrameType } from '../../../wire/frames.ts';
import { ErrorCode, type Limits, ResetWatch } from '../../../wire/index.ts';
import {
  block,
  data,
  frame,
  goaway,
  message,
  ping,
  RawPeer,
  request,
  requestFields,
  rst,
  settings,
  until,
  windowUpdate,
  words,
} from '../../support/raw-http2.ts';
import { startWire, type WireOptions } from '../../support/wire-server.ts';
import { leaveNothing } from '../../support/wire-server-leftovers.ts';

leaveNothing();

const unlimited = Number.MAX_SAFE_INTEGER;
const ids = (count: number, first = 1): number[] => Array.from({ length: count }, (_, i) => first + 2 * i);

/** Sends `attack` to a server of its own; tells how it ended, and what the server made of it. */
const attacked = async (attack: Buffer, options: WireOptions = {}) => {
  const server = await startWire(options, { now: 1000 });
  const peer = await RawPeer.dial(server.port);
  await peer.settle();
  peer.send(attack);
  await Promise.race([peer.settle(1), peer.gone()]);
  const seen = {
    goaway: peer.goawayCode,
    breaches: [...server.breaches],
    requests: server.requests.length,
    alive: !peer.closed,
    frames: peer.frames.length,
  };
  peer.close();
  await until(() => server.loop.driven.size === 0, 'the connection to be freed');
  await server.close();
  return seen;
};

describe('resets', () => {
  const rapid = (count: number, first = 1) =>
    Buffer.concat(ids(count, first).flatMap((id) => [request(id, false), rst(id, ErrorCode.CANCEL)]));
  // Work stops at once, so that only the watch stands against the attack.
  const stops: WireOptions = {
    answer: (exchange) => {
      exchange.onEvent = () => exchange.stream!.release();
    },
  };

  test('a peer that opens and resets 600 streams in a second is sent away', async () => {
    const seen = await attacked(rapid(600), stops);
    expect(seen.goaway).toBe(ErrorCode.ENHANCE_YOUR_CALM);
    expect(seen.breaches).toEqual(['resets']);
    expect(seen.requests).toBe(501); // of the sample of 500, the first fell into the second before
  });

  test('control: without the limit every one of them reaches the application', async () => {
    const seen = await attacked(rapid(600), { ...stops, limits: { resetSample: unlimited } });
    expect(seen).toMatchObject({ goaway: -1, breaches: [], requests: 600, alive: true });
  });

  test('reconnecting buys nothing: a watch is shared by all connections of a peer', async () => {
    const counts = async (shared: boolean): Promise<number> => {
      const resets = new ResetWatch(500, () => 1000);
      const server = await startWire(shared ? { ...stops, resets } : stops, { now: 1000 });
      for (let round = 0; round < 4; round++) {
        const peer = await RawPeer.dial(server.port);
        peer.send(rapid(200));
        await Promise.race([peer.settle(), peer.gone()]);
        peer.close();
      }
      await server.close();
      return server.breaches.filter((breach) => breach === 'resets').length;
    };
    expect(await counts(true)).toBe(2);
    expect(await counts(false)).toBe(0); // control
  });

  test('a reset stream keeps its place until its work has stopped', async () => {
    const server = await startWire({
      answer: (exchange) => {
        exchange.aborted = () => {}; // work that does not stop: the place is not released
      },
    });
    const peer = await RawPeer.dial(server.port);
    peer.send(rapid(150));
    await peer.settle();
    expect(server.requests.length).toBe(100);
    expect(server.breaches.length).toBe(50);
    expect(peer.resetCode(201)).toBe(ErrorCode.REFUSED_STREAM);
    for (const { stream } of server.requests.slice(0, 10)) stream!.release();
    peer.send(...ids(11, 301).map((id) => request(id, true)));
    await peer.settle(2);
    expect(server.requests.length).toBe(110);
    expect(peer.resetCode(321)).toBe(ErrorCode.REFUSED_STREAM);
    peer.close();
    await server.close();
  });

  test('200 deadlines that pass on 1,000 honest streams cost nobody a connection', async () => {
    const honest = Buffer.concat(
      ids(1000).flatMap((id) => [request(id, true), ...(id % 10 === 1 ? [rst(id, ErrorCode.CANCEL)] : [])]),
    );
    const seen = await attacked(honest, { limits: { concurrentStreams: 2000 } });
    expect(seen).toMatchObject({ goaway: -1, alive: true, requests: 1000 });
  });

  const made: [string, (id: number) => Buffer][] = [
    ['WINDOW_UPDATE of 0', (id) => windowUpdate(id, 0)],
    ['a window that overflows', (id) => windowUpdate(id, 0x7fff_ffff)],
    ['DATA behind END_STREAM', (id) => data(id, Buffer.alloc(1))],
    ['HEADERS behind END_STREAM', (id) => request(id, true)],
    ['PRIORITY of wrong size', (id) => frame(FrameType.PRIORITY, 0, id, Buffer.alloc(4))],
  ];
  test.each(made)('resets that we are made to send count alike: %s', async (_, provoke) => {
    const attack = Buffer.concat(ids(600).flatMap((id) => [request(id, true), provoke(id)]));
    const seen = await attacked(attack, stops);
    expect(seen.goaway).toBe(ErrorCode.ENHANCE_YOUR_CALM);
    expect(seen.breaches).toEqual(['resets']);
    const control = await attacked(attack, {
      ...stops,
      limits: { resetSample: unlimited, priorities: unlimited },
    });
    expect(control).toMatchObject({ goaway: -1, requests: 600, alive: true });
  });
});

describe('floods of frames that cost the sender nothing', () => {
  const open = request(1, false);
  const times = (count: number, octets: Buffer) => Buffer.concat(Array(count).fill(octets));
  const empties = times(600, data(1, Buffer.alloc(0)));
  const rows: [string, Buffer, string, keyof Limits][] = [
    ['SETTINGS', times(60, settings()), 'settings', 'settings'],
    ['PING', times(120, ping()), 'pings', 'pings'],
    ['PRIORITY', times(600, frame(FrameType.PRIORITY, 0, 3, Buffer.alloc(5))), 'priorities', 'priorities'],
    ['frames of an unknown type', times(600, frame(0x42, 0, 0)), 'priorities', 'priorities'],
    ['GOAWAY', times(600, goaway(0, 0)), 'priorities', 'priorities'],
    ['WINDOW_UPDATE', times(2100, windowUpdate(0, 1)), 'window-updates', 'windowUpdates'],
    ['empty DATA', Buffer.concat([open, empties]), 'empty-data', 'emptyData'],
    [
      'DATA of padding alone',
      Buffer.concat([open, times(600, data(1, Buffer.from([0]), Flag.PADDED))]),
      'empty-data',
      'emptyData',
    ],
  ];
  test.each(rows)('%s: the connection ends; control: without the limit it goes on', async (...row) => {
    const [, attack, breach, limit] = row;
    const seen = await attacked(attack);
    expect(seen.goaway).toBe(ErrorCode.ENHANCE_YOUR_CALM);
    expect(seen.breaches).toEqual([breach]);
    const control = await attacked(attack, { limits: { [limit]: unlimited } });
    expect(control).toMatchObject({ breaches: [], alive: true });
  });

  test('a second later the same frames are welcome again', async () => {
    const clock = { now: 1000 };
    const server = await startWire({}, clock);
    const peer = await RawPeer.dial(server.port);
    for (let second = 0; second < 5; second++) {
      peer.send(times(90, ping()));
      await peer.settle(second);
      clock.now += 1000;
    }
    expect(peer.goawayCode).toBe(-1);
    expect(server.breaches).toEqual([]);
    peer.close();
    await server.close();
  });
});

describe('CONTINUATION', () => {
  const fields = block(...requestFields);
  const start = frame(FrameType.HEADERS, 0, 1, fields.subarray(0, 10));
  const more = (payload: Buffer, flags = 0) => frame(FrameType.CONTINUATION, flags, 1, payload);

  test('a block in nine frames is taken; one CONTINUATION more ends the connection', async () => {
    const eight = Array.from({ length: 8 }, (_, i) =>
      more(i < 7 ? fields.subarray(10 + i, 11 + i) : fields.subarray(17), i < 7 ? 0 : Flag.END_HEADERS),
    );
    const seen = await attacked(Buffer.concat([start, ...eight]));
    expect(seen).toMatchObject({ goaway: -1, requests: 1 });
    const nine = await attacked(Buffer.concat([start, ...Array(9).fill(more(Buffer.alloc(0)))]));
    expect(nine).toMatchObject({ goaway: ErrorCode.ENHANCE_YOUR_CALM, breaches: ['continuations'] });
  });

  test('eight frames of 16 KiB end it at twice the header list limit', async () => {
    const attack = Buffer.concat([start, ...Array(8).fill(more(Buffer.alloc(16_384, 0x88)))]);
    const seen = await attacked(attack);
    expect(seen).toMatchObject({ goaway: ErrorCode.ENHANCE_YOUR_CALM, breaches: ['header-block'] });
    const control = await attacked(Buffer.concat([attack, more(Buffer.alloc(0), Flag.END_HEADERS)]), {
      limits: { continuations: unlimited, headerListBytes: unlimited, headerFields: unlimited },
    });
    expect(control.breaches).toEqual([]);
  });

  test('control: without the limit 1,000 CONTINUATION frames are gathered', async () => {
    const attack = [
      start,
      ...Array(1000).fill(more(Buffer.alloc(0))),
      more(fields.subarray(10), Flag.END_HEADERS),
    ];
    const seen = await attacked(Buffer.concat(attack), { limits: { continuations: unlimited } });
    expect(seen).toMatchObject({ goaway: -1, requests: 1, alive: true });
  });
});

test('a breach harms no other connection', async () => {
  const server = await startWire({});
  const [bad, good] = await Promise.all([RawPeer.dial(server.port), RawPeer.dial(server.port)]);
  good.send(request(1, false), data(1, message(Buffer.alloc(10))));
  await good.settle();
  bad.send(...Array(200).fill(ping()));
  await bad.gone();
  await good.settle(2);
  expect(good.closed).toBe(false);
  expect(server.requests[0]!.bytes).toBe(15);
  expect(server.closings).toEqual(['ENHANCE_YOUR_CALM: too many PING frames']);
  good.send(words(0)); // an unfinished frame at the end is nobody's fault
  good.close();
  await server.close();
});

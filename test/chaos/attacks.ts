import { Flag, FrameType, preface } from '../../wire/frames.ts';
import {
  block,
  data,
  frame,
  message,
  ping,
  plain,
  RawPeer,
  request,
  requestFields,
  rst,
  settings,
  until,
  windowUpdate,
  words,
} from '../support/raw-http2.ts';

/** What an attacker has to tell. Times are from the first hostile octet; -1: it never happened. */
export interface AttackReport {
  readonly closedMs: number;
  readonly sentOctets: number;
  readonly goaway: number;
}

type Attack = (port: number) => Promise<AttackReport>;

const rest = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

/** Sends what `next` gives until it is out, or the connection is over; then waits `patienceMs` for its end. */
const flood =
  (next: (turn: number) => Buffer | null, patienceMs = 500, greet = settings()): Attack =>
  async (port) => {
    const peer = await RawPeer.dial(port, greet);
    await peer.settle();
    const begin = performance.now();
    let closedMs = -1;
    peer.socket.on('close', () => {
      closedMs = performance.now() - begin;
    });
    let sentOctets = 0;
    for (let turn = 0; !peer.closed; turn++) {
      const octets = next(turn);
      if (octets === null) break;
      sentOctets += octets.length;
      await Promise.race([peer.push(octets), peer.gone().catch(() => {})]);
    }
    for (let waited = 0; waited < patienceMs && !peer.closed; waited += 10) await rest(10);
    const report = { closedMs, sentOctets, goaway: peer.goawayCode };
    peer.close();
    return report;
  };

const times = (count: number, octets: Buffer): Buffer => Buffer.concat(Array(count).fill(octets));

/** 100,000 frames, 1,000 at a time. */
const hundredThousand = (octets: Buffer, first: Buffer = Buffer.alloc(0)): Attack => {
  const thousand = times(1000, octets);
  return flood((turn) => (turn === 0 ? Buffer.concat([first, thousand]) : turn < 100 ? thousand : null));
};

const opening = (turn: number, each: (id: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: 50 }, (_, i) => each(1 + 2 * (50 * turn + i))));

const cut = frame(FrameType.HEADERS, 0, 1, block(...requestFields));

/** `count` connections that each send `octets` and then wait; tells how long the one lived that lived longest. */
const stall =
  (count: number, octets: Buffer, patienceMs: number): Attack =>
  async (port) => {
    const peers: RawPeer[] = [];
    let longest = -1;
    for (let i = 0; i < count; i++) {
      const peer = await RawPeer.dial(port, null);
      const begin = performance.now();
      peer.socket.on('close', () => {
        longest = Math.max(longest, performance.now() - begin);
      });
      peer.send(octets);
      peers.push(peer);
    }
    for (let waited = 0; waited < patienceMs && peers.some((peer) => !peer.closed); waited += 20)
      await rest(20);
    const closedMs = peers.every((peer) => peer.closed) ? longest : -1;
    for (const peer of peers) peer.close();
    return { closedMs, sentOctets: count * octets.length, goaway: -1 };
  };

/** Every attack by its name. */
export const attacks: Record<string, Attack> = {
  'rapid reset': flood((turn) =>
    turn < 1000 ? opening(turn, (id) => Buffer.concat([request(id, false), rst(id, 8)])) : null,
  ),
  'made to reset': flood((turn) =>
    turn < 1000 ? opening(turn, (id) => Buffer.concat([request(id, true), windowUpdate(id, 0)])) : null,
  ),
  continuation: flood((turn) =>
    turn === 0 ? cut : turn < 5000 ? frame(FrameType.CONTINUATION, 0, 1, Buffer.alloc(16_384, 0x88)) : null,
  ),
  bomb: flood(
    (turn) => {
      if (turn >= 10) return null;
      const entry = Buffer.concat([Buffer.from([0x40]), plain('x-large'), plain('a'.repeat(3900))]);
      return opening(turn, (id) =>
        frame(
          FrameType.HEADERS,
          Flag.END_HEADERS | Flag.END_STREAM,
          id,
          Buffer.concat([block(...requestFields), id === 1 ? entry : Buffer.alloc(118, 0x80 | 62)]),
        ),
      );
    },
    500,
    settings(4, 0),
  ),
  settings: hundredThousand(settings()),
  pings: hundredThousand(ping()),
  priorities: hundredThousand(frame(FrameType.PRIORITY, 0, 3, Buffer.alloc(5))),
  'empty data': hundredThousand(data(1, Buffer.alloc(0)), request(1, false)),
  'window updates': hundredThousand(windowUpdate(0, 1)),
  'unread answers': async (port) => {
    const peer = await RawPeer.dial(port);
    await peer.settle();
    peer.socket.pause();
    const begin = performance.now();
    let sentOctets = 0;
    let closedMs = -1;
    peer.socket.on('close', () => {
      closedMs = performance.now() - begin;
    });
    for (let turn = 0; turn < 100 && !peer.closed; turn++) {
      const octets = opening(turn, (id) => request(id, true));
      sentOctets += octets.length;
      await Promise.race([peer.push(octets), rest(1000)]);
    }
    await rest(300);
    peer.socket.resume(); // a paused socket does not hear that it was closed
    await Promise.race([peer.gone().catch(() => {}), rest(500)]);
    peer.close();
    return { closedMs, sentOctets, goaway: -1 };
  },
  zombie: async (port) => {
    const peer = await RawPeer.dial(port, settings(), true);
    peer.send(times(60, settings()));
    for (let waited = 0; peer.goawayCode < 0 && waited < 1000; waited += 10) await rest(10);
    const begin = performance.now();
    // Freed: what is sent now is answered with a reset.
    while (!peer.closed && performance.now() - begin < 8000) {
      peer.send(ping());
      await rest(50);
    }
    const closedMs = peer.closed ? performance.now() - begin : -1;
    peer.close();
    return { closedMs, sentOctets: 0, goaway: peer.goawayCode };
  },
  'large message': async (port) => {
    const peer = await RawPeer.dial(port);
    const begin = performance.now();
    let sentOctets = 0;
    peer.send(request(1, false), data(1, Buffer.concat([Buffer.from([0]), words(2 ** 30)])));
    let credit = 65_530;
    let heard = 0;
    while (peer.resetCode(1) < 0 && performance.now() - begin < 1000) {
      const grants = peer.of(FrameType.WINDOW_UPDATE, 1);
      for (; heard < grants.length; heard++) credit += grants[heard]!.payload.readUInt32BE(0);
      if (credit >= 16_384) {
        await peer.push(data(1, Buffer.alloc(16_384)));
        credit -= 16_384;
        sentOctets += 16_384;
      } else await rest(1);
    }
    const closedMs = peer.resetCode(1) < 0 ? -1 : performance.now() - begin;
    peer.close();
    return { closedMs, sentOctets, goaway: peer.goawayCode };
  },
  'octet by octet': async (port) => {
    const peer = await RawPeer.dial(port, settings(4, 0x7fff_ffff));
    peer.send(windowUpdate(0, 0x7fff_0000), request(1, false));
    const begin = performance.now();
    const count = 1_000_000;
    peer.send(data(1, message(Buffer.alloc(count)).subarray(0, 5)));
    const some = times(10_000, data(1, Buffer.from([7])));
    for (let sent = 0; sent < count && !peer.closed; sent += 10_000) {
      await peer.push(some);
      await until(() => peer.closed || peer.dataBytes(1) + 60_000 > sent, 'the echo');
    }
    await until(() => peer.closed || peer.dataBytes(1) === count + 5, 'the whole echo');
    const frames = peer.of(FrameType.DATA, 1).length;
    peer.close();
    return { closedMs: performance.now() - begin, sentOctets: frames, goaway: peer.goawayCode };
  },
  'octets that wait': async (port) => {
    // Windows of ours are shut, so that what comes back waits octet by octet.
    const peers = await Promise.all(Array.from({ length: 3 }, () => RawPeer.dial(port, settings(4, 0))));
    const some = 6000;
    for (const peer of peers)
      for (let id = 1; id < 200; id += 2) {
        peer.send(request(id, false));
        await peer.push(times(some, data(id, Buffer.from([0]))));
      }
    await rest(300);
    for (const peer of peers) peer.close();
    return { closedMs: -1, sentOctets: 3 * 100 * some, goaway: -1 };
  },
  'half prefaces': stall(1000, preface.subarray(0, 10), 8000),
  'half headers': stall(1000, Buffer.concat([preface, settings(), cut.subarray(0, 60)]), 8000),
};

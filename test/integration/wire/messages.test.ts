import { describe, expect, test } from 'vitest';
import { Flag, FrameType } from '../../../wire/frames.ts';
import { ErrorCode } from '../../../wire/index.ts';
import { data, message, RawPeer, request, rst, until, windowUpdate, words } from '../../support/raw-http2.ts';
import { answerEcho, startWire } from '../../support/wire-server.ts';
import { leaveNothing } from '../../support/wire-server-leftovers.ts';

leaveNothing();

const prefix = (flag: number, length: number): Buffer => Buffer.concat([Buffer.from([flag]), words(length)]);

describe('the size of a message', () => {
  test('a message of 1 GiB is refused at its prefix, and little is read after', async () => {
    const server = await startWire();
    const peer = await RawPeer.dial(server.port);
    peer.send(request(1, false), data(1, prefix(0, 1 << 30)));
    await until(() => peer.resetCode(1) >= 0, 'RST_STREAM');
    peer.send(...Array(40).fill(data(1, Buffer.alloc(1600))));
    await peer.settle();
    expect(peer.resetCode(1)).toBe(ErrorCode.ENHANCE_YOUR_CALM);
    expect(server.breaches).toEqual(['message']);
    expect(server.requests[0]!.bytes).toBe(0);
    expect(server.requests[0]!.aborts[0]!.message).toBe(
      'a message of 1073741824 bytes; the limit is 67108864',
    );
    expect(peer.of(FrameType.WINDOW_UPDATE, 1)).toEqual([]); // nobody asked for more of it
    expect(peer.closed).toBe(false);
    peer.close();
    await server.close();
  });

  test('control: without the limit its octets are taken', async () => {
    const server = await startWire({ limits: { messageBytes: 2 ** 32 } });
    const peer = await RawPeer.dial(server.port);
    peer.send(request(1, false), data(1, prefix(0, 1 << 30)), ...Array(60).fill(data(1, Buffer.alloc(1600))));
    await peer.settle();
    expect(server.requests[0]!.bytes).toBe(96_005);
    expect(peer.of(FrameType.WINDOW_UPDATE, 1).length).toBeGreaterThan(0);
    peer.close();
    await server.close();
  });

  test.each([0, 1, 2, 3, 4])('a prefix cut in two behind octet %i is understood', async (cut) => {
    const server = await startWire({ limits: { messageBytes: 1000 } });
    const peer = await RawPeer.dial(server.port);
    const good = message(Buffer.alloc(1000));
    const bad = prefix(0, 1001);
    peer.send(request(1, false), data(1, good), data(1, bad.subarray(0, cut)));
    await peer.settle(2);
    expect(server.requests[0]!.aborts).toEqual([]);
    peer.send(data(1, bad.subarray(cut)));
    await peer.settle(3);
    expect(server.requests[0]!.aborts).toMatchObject([{ breach: 'message' }]);
    peer.close();
    await server.close();
  });

  test('a compressed message passes unopened', async () => {
    const server = await startWire();
    const peer = await RawPeer.dial(server.port);
    const bomb = Buffer.concat([prefix(1, 200), Buffer.alloc(200, 0x1f)]);
    peer.send(request(1, false), data(1, bomb, Flag.END_STREAM));
    await peer.settle();
    expect(server.requests[0]!.body.equals(bomb)).toBe(true);
    peer.close();
    await server.close();
  });

  test('a body that does not add up to its content-length is malformed, with trailers too', async () => {
    const server = await startWire({ followsMessages: false });
    const peer = await RawPeer.dial(server.port);
    const five = Buffer.alloc(5);
    peer.send(request(1, false, 'content-length', '4'), data(1, five));
    peer.send(request(3, false, 'content-length', '6'), data(3, five, Flag.END_STREAM));
    peer.send(request(5, true, 'content-length', '5'));
    peer.send(request(7, false, 'content-length', '5'), data(7, five, Flag.END_STREAM));
    await peer.settle();
    expect([1, 3, 5, 7].map((id) => peer.resetCode(id))).toEqual([1, 1, 1, -1]);
    peer.close();
    await server.close();
  });
});

describe('DATA of one octet', () => {
  const count = 20_000;
  const ones = Buffer.concat(
    [...Buffer.concat([prefix(0, count - 5), Buffer.alloc(count - 5, 7)])].map((octet, i) =>
      data(1, Buffer.from([octet]), i === count - 1 ? Flag.END_STREAM : 0),
    ),
  );

  test('leaves in large frames', async () => {
    const server = await startWire({ answer: answerEcho });
    const peer = await RawPeer.dial(server.port);
    peer.send(request(1, false), ones);
    await until(() => peer.dataBytes(1) === count, 'the echo');
    expect(peer.of(FrameType.DATA, 1).length).toBeLessThan(count / 100);
    peer.close();
    await server.close();
  });

  test('waits in large pieces for a peer whose window is shut, and keeps its order', async () => {
    const server = await startWire({ answer: answerEcho });
    const peer = await RawPeer.dial(server.port);
    const counted = Buffer.concat([prefix(0, 65_000), Buffer.alloc(65_000).map((_, i) => i % 251)]);
    peer.send(windowUpdate(0, 1_000_000), request(1, false), data(1, counted.subarray(0, 1)));
    await peer.settle(2);
    // The first 65,000 octets fill the window; all that follows waits.
    for (let at = 1; at < counted.length; at += 10_000) peer.send(data(1, counted.subarray(at, at + 10_000)));
    await until(() => peer.dataBytes(1) === 65_005, 'the first window');
    const more = Buffer.alloc(30_000).map((_, i) => i % 249);
    peer.send(data(1, prefix(0, more.length)), ...[...more].map((octet) => data(1, Buffer.from([octet]))));
    await peer.settle(3);
    expect(server.loop.held).toBe(30_005 - 530);
    peer.send(windowUpdate(1, 100_000));
    await until(() => peer.dataBytes(1) === 95_010, 'the rest');
    expect(server.loop.held).toBe(0);
    const echoed = Buffer.concat(peer.of(FrameType.DATA, 1).map((each) => each.payload));
    expect(echoed.subarray(65_010).equals(more)).toBe(true);
    peer.send(rst(1, ErrorCode.CANCEL));
    await peer.settle(4);
    peer.close();
    await server.close();
  });
});

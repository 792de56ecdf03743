import { describe, expect, test } from 'vitest';
import { Flag, FrameType } from '../../../wire/frames.ts';
import { ErrorCode } from '../../../wire/index.ts';
import { block, frame, plain, RawPeer, requestFields, until } from '../../support/raw-http2.ts';
import { answerData, startWire, type WireOptions } from '../../support/wire-server.ts';
import { leaveNothing } from '../../support/wire-server-leftovers.ts';

leaveNothing();

const headers = (stream: number, ...parts: Buffer[]): Buffer =>
  frame(FrameType.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, stream, Buffer.concat(parts));

/** Literal with incremental indexing: it becomes entry 62. */
const indexed = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.from([0x40]), plain(name), plain(value)]);

const request = block(...requestFields);

describe('the HTTP/2 bomb: a large entry named again and again', () => {
  const bombed = async (entry: Buffer, references: number, options: WireOptions = {}) => {
    const server = await startWire(options);
    const peer = await RawPeer.dial(server.port);
    let wire = 0;
    for (let i = 0; i < 90; i++) {
      const octets = headers(1 + 2 * i, request, i === 0 ? entry : Buffer.alloc(references, 0x80 | 62));
      wire += octets.length;
      peer.send(octets);
    }
    await peer.settle();
    const held = server.requests.reduce((sum, each) => sum + each.lists[0]!.join('').length, 0);
    const seen = {
      requests: server.requests.length,
      breaches: server.breaches.length,
      amplification: held / wire,
      reset: peer.resetCode(3),
      alive: !peer.closed,
    };
    peer.close();
    await server.close();
    return seen;
  };
  const large = indexed('x-large', 'a'.repeat(3900));
  const tiny = indexed('a', '');

  test('118 references of 3.9 kB: every such stream is reset, the connection lives', async () => {
    const seen = await bombed(large, 118);
    expect(seen).toMatchObject({
      requests: 1,
      breaches: 89,
      reset: ErrorCode.ENHANCE_YOUR_CALM,
      alive: true,
    });
    expect(seen.amplification).toBeLessThan(1);
  });

  test('control: without the limit on octets the application gets more than a thousand times the wire', async () => {
    const seen = await bombed(large, 118, { limits: { headerListBytes: 1e9, headerFields: 1e6 } });
    expect(seen).toMatchObject({ requests: 90, breaches: 0 });
    expect(seen.amplification).toBeGreaterThan(1000);
  });

  test('2,000 references of one octet: the number of fields is limited, and so is 32 octets for each', async () => {
    expect(await bombed(tiny, 2000)).toMatchObject({ requests: 1, breaches: 89, alive: true });
    expect(await bombed(tiny, 65 - 6, { limits: { headerListBytes: 1e9 } })).toMatchObject({ requests: 1 });
    expect(await bombed(tiny, 64 - 6, { limits: { headerListBytes: 1e9 } })).toMatchObject({ requests: 90 });
  });

  test('a field counts its octets and 32 more, to the octet', async () => {
    const own = requestFields.join('').length + 32 * (requestFields.length / 2);
    const one = indexed('x', 'y'.repeat(100));
    const limit = own + 3 * 133;
    expect(await bombed(one, 3, { limits: { headerListBytes: limit } })).toMatchObject({ requests: 90 });
    expect(await bombed(one, 3, { limits: { headerListBytes: limit - 1 } })).toMatchObject({ requests: 1 });
  });

  test('the table follows the block of a stream that was reset', async () => {
    const server = await startWire({ answer: answerData('hello') });
    const peer = await RawPeer.dial(server.port);
    const many = Buffer.alloc(100, 0x80 | 62);
    peer.send(headers(1, request, indexed('x-large', 'a'.repeat(3000)), many, indexed('x-kept', 'yes')));
    peer.send(headers(3, request, Buffer.from([0x80 | 62])));
    await peer.settle();
    expect(peer.resetCode(1)).toBe(ErrorCode.ENHANCE_YOUR_CALM);
    expect(server.requests[0]!.field('x-kept')).toBe('yes');
    peer.close();
    await server.close();
  });
});

describe('a block that cannot be decoded ends the connection with COMPRESSION_ERROR', () => {
  const coded = (...octets: number[]) => Buffer.from([0x00, 0x80 | octets.length, ...octets, 0x00]);
  const rows: [string, Buffer][] = [
    ['index 0', Buffer.from([0x80])],
    ['an index behind the table', Buffer.from([0xff, 0x00])],
    ['a name at an index behind the table', Buffer.from([0x7f, 0x00, 0x00])],
    ['a size update above what we announced', Buffer.from([0x3f, 0xe2, 0x1f])],
    ['a size update behind a field', Buffer.from([0x82, 0x20])],
    ['EOS in a string', coded(0xff, 0xff, 0xff, 0xff)],
    ['padding of zeroes', coded(0x18)],
    ['padding longer than seven bits', coded(0x1f, 0xff)],
    ['a string longer than its block', Buffer.from([0x00, 0x05, 0x61])],
    ['an integer without end', Buffer.from([0x00, 0x7f, 0x80])],
    ['an integer of 70 bits', Buffer.from([0x00, 0x7f, ...Array(10).fill(0xff), 0x01])],
    ['a literal that stops behind its name', Buffer.from([0x00, 0x01, 0x61])],
  ];
  test.each(rows)('%s', async (_, bad) => {
    const server = await startWire({ answer: answerData('hello') });
    const peer = await RawPeer.dial(server.port);
    peer.send(headers(1, bad));
    await until(() => peer.goawayCode >= 0, 'GOAWAY');
    expect(peer.goawayCode).toBe(ErrorCode.COMPRESSION_ERROR);
    expect(server.requests).toEqual([]);
    expect(server.closings).toEqual(['COMPRESSION_ERROR: a header block that cannot be decoded']);
    peer.close();
    await server.close();
  });

  test('control: size updates at the beginning, and every kind of field, are answered', async () => {
    const server = await startWire({ answer: answerData('hello') });
    const peer = await RawPeer.dial(server.port);
    const update = Buffer.from([0x20, 0x3f, 0xe1, 0x1f]); // to 0, then to 4,096
    peer.send(headers(1, update, request));
    await until(() => peer.dataBytes(1) === 5, 'the answer');
    peer.close();
    await server.close();
  });

  test('octets that no field may have make a stream malformed, and no more', async () => {
    const server = await startWire({ answer: answerData('hello') });
    const peer = await RawPeer.dial(server.port);
    const bad: [string, string][] = [
      ...([
        ['x-a', 'a\r\nb: c'],
        ['x-a', 'a\0'],
      ] as [string, string][]),
      ...([
        ['X-a', 'b'],
        ['x a', 'b'],
        ['', 'b'],
        ['x:a', 'b'],
        ['x-\x80', 'b'],
      ] as [string, string][]),
      ...([
        ['connection', 'close'],
        ['te', 'gzip'],
        [':path', '/x'],
        [':nonsense', 'x'],
      ] as [string, string][]),
      ...([
        ['upgrade', 'h2c'],
        ['transfer-encoding', 'chunked'],
        ['content-length', '-1'],
      ] as [string, string][]),
    ];
    bad.forEach(([name, value], i) => void peer.send(headers(1 + 2 * i, request, block(name, value))));
    const good = 1 + 2 * bad.length;
    peer.send(headers(good, request, block('x-a', ' tab\tand \x80\xff inside \t')));
    await until(() => peer.dataBytes(good) === 5, 'the answer');
    expect(bad.map((_, i) => peer.resetCode(1 + 2 * i))).toEqual(bad.map(() => ErrorCode.PROTOCOL_ERROR));
    expect(server.requests.length).toBe(1);
    expect(server.requests[0]!.field('x-a')).toBe('tab\tand \x80\xff inside');
    peer.close();
    await server.close();
  });
});

import { expect, test } from 'vitest';
import { FrameReader } from '../../../wire/frame-reader.ts';
import { Flag, FrameType } from '../../../wire/frames.ts';

/** A reader, and what it found: type, flags, stream and payload of each frame. */
const reader = () => {
  const found: { type: number; flags: number; stream: number; payload: string }[] = [];
  const frames = new FrameReader(
    {
      frame: (type, flags, stream, buffer, start, end) => {
        found.push({ type, flags, stream, payload: buffer.toString('latin1', start, end) });
        return true;
      },
      oversized: () => {},
    },
    16_384,
  );
  return { frames, found };
};

const frame = (type: number, flags: number, payload: string): Buffer => {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(7, 5);
  return Buffer.concat([header, Buffer.from(payload, 'latin1')]);
};

const large = 'abcdefgh'.repeat(1000);

test('DATA that straddles chunks is handed on in parts, and only the last ends the stream', () => {
  const { frames, found } = reader();
  const octets = frame(FrameType.DATA, Flag.END_STREAM, large);
  const shared = Buffer.alloc(3000);
  for (let at = 0; at < octets.length; at += shared.length) {
    const bytes = octets.copy(shared, 0, at);
    frames.push(shared.subarray(0, bytes), 0, 0);
  }
  expect(found.map(({ flags, payload }) => [flags, payload.length])).toEqual([
    [0, 2991],
    [0, 3000],
    [Flag.END_STREAM, 2009],
  ]);
  expect(found.map(({ payload }) => payload).join('')).toBe(large);
  expect(found.every(({ type, stream }) => type === FrameType.DATA && stream === 7)).toBe(true);
  expect(frames.waited(1000)).toBe(0);
});

test('a dribble of octets stays one frame', () => {
  const { frames, found } = reader();
  const octets = frame(FrameType.DATA, Flag.END_STREAM, 'x'.repeat(3000));
  for (let at = 0; at < octets.length; at += 100) frames.push(octets.subarray(at, at + 100), 0, 5);
  expect(found).toEqual([
    { type: FrameType.DATA, flags: Flag.END_STREAM, stream: 7, payload: 'x'.repeat(3000) },
  ]);
});

test('a large part, then a dribble: the rest is one frame, and its wait is seen', () => {
  const { frames, found } = reader();
  const octets = frame(FrameType.DATA, 0, large);
  frames.push(octets.subarray(0, 2009), 0, 10);
  expect(found.length).toBe(1);
  expect(frames.waited(25)).toBe(15);
  expect(frames.inData).toBe(true);
  for (let at = 2009; at < octets.length; at += 500) frames.push(octets.subarray(at, at + 500), 0, 20);
  expect(found.map(({ payload }) => payload.length)).toEqual([2000, 6000]);
  expect(found.map(({ payload }) => payload).join('')).toBe(large);
});

test('padded DATA and other frames are put together first', () => {
  for (const [type, flags] of [
    [FrameType.DATA, Flag.PADDED],
    [FrameType.HEADERS, Flag.END_HEADERS],
  ] as const) {
    const { frames, found } = reader();
    const octets = frame(type, flags, large);
    frames.push(octets.subarray(0, 4), 0, 0);
    frames.push(octets.subarray(4, 5000), 0, 0);
    expect(found).toEqual([]);
    frames.push(octets.subarray(5000), 0, 0);
    expect(found).toEqual([{ type, flags, stream: 7, payload: large }]);
  }
});

import { expect, test } from 'vitest';
import { Messages } from '../../../sdk/local/messages.ts';
import { framed } from '../../../sidecar/core/messages.ts';
import type { StreamEnd } from '../../../wire/index.ts';

/** Messages of a stream that remembers what it was credited. */
const messages = (longest = 1000) => {
  const credits: number[] = [];
  const stream = { credit: (bytes: number) => void credits.push(bytes) } as unknown as StreamEnd;
  return { messages: new Messages(stream, longest), credits };
};

const all = (from: Messages): string[] => {
  const said: string[] = [];
  while (!from.isEmpty) said.push(String(from.take()));
  return said;
};

test('messages are put together from pieces of any size, prefixes included', () => {
  const octets = Buffer.concat([
    framed(Buffer.from('oar')),
    framed(Buffer.alloc(0)),
    framed(Buffer.from('paddle')),
  ]);
  for (let size = 1; size <= octets.length; size++) {
    const { messages: whole } = messages();
    for (let at = 0; at < octets.length; at += size)
      expect(whole.push(Buffer.from(octets.subarray(at, at + size)))).toBe(0);
    expect(all(whole)).toEqual(['oar', '', 'paddle']);
  }
});

test('one message may come whole though nobody takes it, those behind it only as it is taken', () => {
  const { messages: whole, credits } = messages();
  const frame = framed(Buffer.from('oar'));
  whole.push(frame.subarray(0, 4));
  whole.push(frame.subarray(4));
  expect(credits).toEqual([4, 4]);
  whole.push(frame);
  whole.push(frame);
  expect(credits).toEqual([4, 4]);
  whole.take();
  whole.take();
  expect(credits).toEqual([4, 4]);
  whole.take();
  expect(credits).toEqual([4, 4, 16]);
});

test('a message that is too long is known by its prefix, before its octets have come', () => {
  const { messages: whole } = messages(10);
  expect(whole.push(framed(Buffer.alloc(10)))).toBe(0);
  expect(whole.push(framed(Buffer.alloc(11)).subarray(0, 5))).toBe(11);
});

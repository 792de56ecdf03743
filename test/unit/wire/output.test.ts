import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import type { Driven, Loop } from '../../../wire/loop.ts';
import { Output } from '../../../wire/output.ts';
import { Pool } from '../../../wire/pool.ts';

/** An output on a socket that takes octets only when told to, and the memory it has asked for. */
const begin = (options: { congestion?: number; needsDrain?: boolean } = {}) => {
  const pending: Buffer[] = [];
  const memory = new Set<ArrayBufferLike>();
  const socket = {
    destroyed: false,
    writableEnded: false,
    writableNeedDrain: options.needsDrain ?? true,
    writableLength: 0,
    write(octets: Buffer) {
      pending.push(octets);
      memory.add(octets.buffer);
      socket.writableLength += octets.length;
    },
  };
  const take = (): void => {
    socket.writableLength -= pending.shift()?.length ?? 0;
  };
  const loop = { slabs: new Pool(67_584, 8192, 64), schedule: () => {} } as unknown as Loop;
  const output = new Output(
    socket as unknown as Socket,
    loop,
    {} as Driven,
    options.congestion ?? 1024 * 1024,
  );
  return { output, pending, memory, take };
};

const chunk = Buffer.alloc(40_000, 'x');

test('a socket that takes each write a turn later, as TLS does, needs two slabs, however long it goes on', () => {
  const { output, memory, pending, take } = begin();
  for (let turn = 0; turn < 1000; turn++) {
    output.data(1, chunk, 0, chunk.length);
    output.flush();
    while (pending.length > 1) take();
  }
  expect(memory.size).toBe(2);
});

test('a slab that the socket still reads from is nobody else’s', () => {
  const { output, memory, pending, take } = begin();
  for (let turn = 0; turn < 10; turn++) {
    output.data(1, chunk, 0, chunk.length);
    output.flush();
  }
  expect(memory.size).toBe(10);
  const first = pending[0]!.buffer;
  take();
  output.data(1, chunk, 0, chunk.length);
  output.flush();
  expect(memory.size).toBe(10);
  expect(pending.at(-1)!.buffer).toBe(first);
});

test('a full slab leaves before the turn is over, in order', () => {
  const { output, pending } = begin();
  for (let i = 0; i < 3; i++) output.data(1, chunk, 0, chunk.length);
  expect(pending.length).toBe(1);
  output.flush();
  expect(pending.length).toBe(2);
  const sent = Buffer.concat(pending);
  expect(sent.filter((octet) => octet === 'x'.charCodeAt(0)).length).toBe(120_000);
});

test('DATA stops only where the socket will say that it may go on', () => {
  const waits = begin({ congestion: 10_000 });
  waits.output.data(1, chunk, 0, chunk.length);
  waits.output.flush();
  expect(waits.output.congested).toBe(true);
  const goesOn = begin({ congestion: 10_000, needsDrain: false });
  goesOn.output.data(1, chunk, 0, chunk.length);
  goesOn.output.flush();
  expect(goesOn.output.congested).toBe(false);
});

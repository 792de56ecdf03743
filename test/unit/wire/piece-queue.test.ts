import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PieceQueue } from '../../../wire/piece-queue.ts';
import { Pool } from '../../../wire/pool.ts';

const blockBytes = 4096;
const pool = () => new Pool(blockBytes, blockBytes, 64);

test('whatever goes in comes out in the same order, by whatever steps', () => {
  const step = fc.record({ push: fc.nat(40_000), take: fc.nat(40_000) });
  const source = Buffer.alloc(600_000, '0123456789abcdefghijklmnopqrstuvw');
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const queue = new PieceQueue(pool());
      const taken: Buffer[] = [];
      const take = (most: number): void => {
        const piece = Buffer.from(queue.first.subarray(0, most));
        taken.push(piece);
        queue.take(piece.length);
      };
      let pushed = 0;
      for (const { push: bytes, take: most } of steps) {
        const chunk = Buffer.from(source.subarray(pushed, pushed + bytes + 2));
        queue.push(chunk, 1, bytes + 1);
        chunk.fill(0xff); // the chunk is its owner's again
        pushed += bytes;
        expect(Buffer.concat(queue.pieces()).length).toBe(queue.bytes);
        if (queue.bytes > 0 && most > 0) take(most);
      }
      while (queue.bytes > 0) take(Number.POSITIVE_INFINITY);
      expect(Buffer.concat(taken).equals(source.subarray(1, pushed + 1))).toBe(true);
    }),
    { numRuns: 100 },
  );
});

test('a thousand pieces of one octet share one block', () => {
  const queue = new PieceQueue(pool());
  for (let i = 0; i < 1000; i++) queue.push(Buffer.from('x'), 0, 1);
  expect(queue.pieces().length).toBe(2);
  expect(Buffer.concat(queue.pieces()).toString()).toBe('x'.repeat(1000));
});

test('blocks serve again: what was taken, and what was forgotten', () => {
  const blocks = pool();
  const queue = new PieceQueue(blocks);
  queue.push(Buffer.alloc(3 * blockBytes), 0, 3 * blockBytes);
  const memory = new Set(queue.pieces().map((piece) => piece.buffer));
  expect(memory.size).toBe(3);
  queue.take(blockBytes);
  queue.clear();
  expect(queue.bytes).toBe(0);
  expect(queue.pieces()).toEqual([]);
  const again = [blocks.borrow(1), blocks.borrow(1), blocks.borrow(1), blocks.borrow(1)];
  expect(again.map((block) => memory.has(block.buffer))).toEqual([true, true, true, false]);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MessageFollower } from '../../wire/message-follower.ts';
import { message } from '../support/raw-http2.ts';
import { forShare } from './budget.ts';

const sizes = fc.array(fc.oneof(fc.constantFrom(0, 1, 4, 5, 6), fc.nat(300)), { maxLength: 12 });
const cuts = fc.array(fc.nat(3000), { maxLength: 20 });

test('a follower says of every octet what a reader of the whole body would', () => {
  fc.assert(
    fc.property(sizes, cuts, fc.nat(320), fc.nat(3000), (lengths, places, limit, cutOff) => {
      const whole = Buffer.concat(lengths.map((length) => message(Buffer.alloc(length)))).subarray(0, cutOff);
      // The model: where each message begins, as far as the body goes.
      const begins: number[] = [];
      let firstTooLarge = -1;
      for (let at = 0; at < whole.length; ) {
        begins.push(at);
        if (at + 5 > whole.length) break;
        const length = whole.readUInt32BE(at + 1);
        if (length > limit) {
          firstTooLarge = at + 5;
          break;
        }
        at += 5 + length;
      }
      const follower = new MessageFollower();
      const borders = [...new Set([0, ...places.filter((at) => at < whole.length), whole.length])].sort(
        (a, b) => a - b,
      );
      for (let i = 1; i < borders.length; i++) {
        const [start, end] = [borders[i - 1]!, borders[i]!];
        const said = follower.follow(whole, start, end, limit, 1000 + end);
        const expected = firstTooLarge > start && firstTooLarge <= end;
        expect(said > limit).toBe(expected);
        if (expected) return;
        // A message is incomplete since the chunk in which its first octet came.
        const last = begins.filter((at) => at < end).at(-1) ?? 0;
        const complete = last + 5 <= end && end === last + 5 + whole.readUInt32BE(last + 1);
        const chunk = borders.find((border) => border > last)!;
        expect(follower.begunAt).toBe(complete ? 0 : 1000 + chunk);
      }
    }),
    forShare(0.1),
  );
});

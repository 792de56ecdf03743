import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readMessage, textOf } from '../../../sidecar/core/protobuf.ts';
import { OtlpPage } from '../../../sidecar/telemetry/otlp-page.ts';

/** What is written, in octets. */
const written = (room: number, write: (page: OtlpPage) => void): Buffer => {
  const page = new OtlpPage();
  page.room(room);
  const from = page.at;
  write(page);
  return page.octets.subarray(from, page.at);
};

const fieldsOf = (message: Uint8Array): [number, number | Uint8Array][] => {
  const fields: [number, number | Uint8Array][] = [];
  readMessage(message, (field, value) => void fields.push([field, value]));
  return fields;
};

/** Around the lengths at which a length takes an octet more, and at which a text is written another way. */
const lengths = [0, 1, 39, 40, 41, 126, 127, 128, 129, 16_383, 16_384, 70_000];

describe('a page of protobuf', () => {
  it.each(['a', 'ü', '猫', '😀', '\ud800'])(
    'holds texts of %s of any length, in messages of messages',
    (letter) => {
      for (const length of lengths) {
        const text = letter.repeat(length);
        const octets = written(3 * text.length + 64, (page) => {
          const outer = page.open(1);
          const inner = page.open(2);
          page.text(3, text);
          page.close(inner);
          page.varint(4, length);
          page.close(outer);
        });
        const [[, outer]] = fieldsOf(octets) as [[number, Uint8Array]];
        const [[, inner], [, count]] = fieldsOf(outer) as [[number, Uint8Array], [number, number]];
        expect(count).toBe(length);
        expect(textOf(fieldsOf(inner)[0]![1])).toBe(text.replaceAll('\ud800', '\ufffd'));
      }
    },
  );

  it('holds any whole number, and fields beyond the fifteenth', () => {
    const number = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(number, fc.integer({ min: 1, max: 2047 }), (value, field) => {
        expect(fieldsOf(written(64, (page) => page.varint(field, value)))).toEqual([[field, value]]);
      }),
    );
  });

  it('holds milliseconds as nanoseconds, to the last one', () => {
    const seconds = fc.integer({ min: 0, max: 9_000_000_000 });
    fc.assert(
      fc.property(seconds, fc.integer({ min: 0, max: 999 }), (whole, ms) => {
        const octets = written(64, (page) => page.nanoseconds(7, whole * 1000 + ms));
        expect(octets.readBigUInt64LE(1)).toBe((BigInt(whole) * 1000n + BigInt(ms)) * 1_000_000n);
      }),
    );
  });

  it('is followed by another where it is full, which is as large as what must have room', () => {
    const page = new OtlpPage();
    page.room(10);
    const first = page.octets;
    page.at = first.length - 9;
    page.room(9);
    expect(page.octets).toBe(first);
    page.room(10);
    expect([page.octets === first, page.at]).toEqual([false, 0]);
    page.at = 1;
    page.room(200_000);
    expect(page.octets.length).toBe(200_000);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Decoder } from '../../wire/hpack/decoder.ts';
import { Encoder } from '../../wire/hpack/encoder.ts';
import { decodeHuffman, encodeHuffman, huffmanLength } from '../../wire/hpack/huffman.ts';
import { forShare } from './budget.ts';

const bounds = { headerListBytes: 1e9, headerFields: 1e6 };
const everyOctet = Array.from({ length: 256 }, (_, octet) => String.fromCharCode(octet)).join('');

const nameCharacter = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-_.');
const name = fc.oneof(
  fc.constantFrom(
    ':path',
    ':authority',
    ':status',
    'te',
    'user-agent',
    'content-type',
    'grpc-status',
    'cookie',
  ),
  fc.constantFrom('x-request-id', 'traceparent', 'grpc-timeout', 'accept-encoding', 'server'),
  fc.string({ unit: nameCharacter, minLength: 1, maxLength: 40 }),
);
const octets = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((n) => String.fromCharCode(n)),
  maxLength: 80,
});
const value = fc.oneof(
  fc.constantFrom('', '200', '/', 'POST', 'trailers', 'application/grpc', '/t.S/Echo', 'gzip, deflate'),
  octets,
  fc
    .tuple(octets, fc.integer({ min: 0, max: 1200 }))
    .map(([text, times]) => text.repeat(times).slice(0, 9000)),
);
const block = fc.record({
  fields: fc.array(fc.tuple(name, value), { maxLength: 12 }),
  sensitive: fc.array(fc.nat(11), { maxLength: 3 }),
  resizes: fc.array(fc.oneof(fc.constantFrom(0, 31, 32, 4096), fc.nat(10_000)), { maxLength: 3 }),
});

describe('HPACK', () => {
  test('every block that the encoder writes is what the decoder reads, whatever the table went through', () => {
    fc.assert(
      fc.property(fc.array(block, { maxLength: 30 }), (blocks) => {
        const encoder = new Encoder();
        const decoder = new Decoder(bounds);
        for (const { fields, sensitive, resizes } of blocks) {
          for (const size of resizes) encoder.resize(size);
          const list = fields.flat();
          const never = sensitive.map((at) => fields[at]?.[0]).filter((each) => each !== undefined);
          const out = Buffer.alloc(Encoder.bound(list), 0xee);
          const end = encoder.encode(list, never.length === 0 ? null : never, out, 0);
          expect(end).toBeLessThanOrEqual(out.length);
          expect(decoder.decode(out, 0, end)).toBe(true);
          // White space around a value is taken off; the tables count it all the same.
          const bare = list.map((text, at) => (at % 2 === 0 ? text : text.replace(/^[ \t]+|[ \t]+$/g, '')));
          expect(decoder.fields).toEqual(bare);
          const marked = fields.map(([each]) => each).filter((each) => never.includes(each));
          expect(decoder.never).toEqual(marked.length === 0 ? null : marked);
        }
      }),
      forShare(0.2),
    );
  });

  test('strings of every length around the borders of integers pass', () => {
    for (const length of [
      0, 1, 126, 127, 128, 129, 254, 255, 256, 16_382, 16_510, 16_511, 16_512, 65_535, 300_000,
    ]) {
      for (const text of ['a'.repeat(length), '\xff'.repeat(length)]) {
        const list = ['x-a', text, 'user-agent', text];
        const out = Buffer.alloc(Encoder.bound(list));
        const end = new Encoder().encode(list, null, out, 0);
        const decoder = new Decoder(bounds);
        expect(decoder.decode(out, 0, end)).toBe(true);
        expect(decoder.fields).toEqual(list);
      }
    }
  });

  test('whatever the octets, the decoder answers, and reads no octet behind the end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 20 }), (inside, behind) => {
        const verdicts = [Buffer.alloc(0), Buffer.from(behind)].map((tail) => {
          const decoder = new Decoder({ headerListBytes: 16_384, headerFields: 64 });
          const ok = decoder.decode(Buffer.concat([inside, tail]), 0, inside.length);
          return [ok, decoder.fields, decoder.malformed, decoder.tooLarge];
        });
        expect(verdicts[1]).toEqual(verdicts[0]);
      }),
      forShare(0.1),
    );
  });
});

describe('Huffman', () => {
  const there = (text: string): Buffer => {
    const out = Buffer.alloc(huffmanLength(text));
    expect(encodeHuffman(text, out, 0)).toBe(out.length);
    return out;
  };
  const back = (coded: Uint8Array): string | null => {
    const into = Buffer.alloc(coded.length * 2);
    const length = decodeHuffman(coded, 0, coded.length, into);
    return length < 0 ? null : into.toString('latin1', 0, length);
  };

  test('the examples of RFC 7541 appendix C', () => {
    expect(there('www.example.com').toString('hex')).toBe('f1e3c2e5f23a6ba0ab90f4ff');
    expect(there('no-cache').toString('hex')).toBe('a8eb10649cbf');
    expect(there('Mon, 21 Oct 2013 20:13:21 GMT').toString('hex')).toBe(
      'd07abe941054d444a8200595040b8166e082a62d1bff',
    );
  });

  test('every octet, alone and all together', () => {
    for (const octet of everyOctet) expect(back(there(octet))).toBe(octet);
    expect(back(there(everyOctet))).toBe(everyOctet);
  });

  test('whatever was coded is read back; whatever else is read codes to the same octets', () => {
    fc.assert(
      fc.property(octets, fc.uint8Array({ maxLength: 60 }), (text, noise) => {
        expect(back(there(text))).toBe(text);
        const read = back(noise);
        if (read !== null) expect(there(read).equals(noise)).toBe(true);
      }),
      forShare(0.1),
    );
  });
});

import { describe, expect, it } from 'vitest';
import { Fields } from '../../../bench/load/fields.ts';
import { IndexingEncoder } from '../../../bench/load/indexing-encoder.ts';
import { Decoder } from '../../../wire/hpack/decoder.ts';

const bounds = { headerListBytes: 16_384, headerFields: 64 };

describe('the header encoder of the load generator', () => {
  it('is understood by a decoder through a thousand calls that churn its table', () => {
    const [encoder, decoder] = [new IndexingEncoder(), new Decoder(bounds)];
    const fields = new Fields('differing', 'Unary');
    const out = Buffer.alloc(4096);
    for (let call = 0; call < 1000; call++) {
      const sent = fields.next();
      expect(decoder.decode(out, 0, encoder.encode(sent, null, out, 0))).toBe(true);
      expect(decoder.fields).toEqual(sent);
    }
  });

  it('sends three literals with indexing in each call whose headers differ', () => {
    const encoder = new IndexingEncoder();
    const fields = new Fields('differing', 'Unary');
    const out = Buffer.alloc(4096);
    encoder.encode(fields.next(), null, out, 0);
    const end = encoder.encode(fields.next(), null, out, 0);
    // Seven references of one octet, then 01xxxxxx: a literal with incremental indexing, its name by reference.
    expect([...out.subarray(0, 7)].every((octet) => (octet & 0x80) !== 0)).toBe(true);
    expect(out[7]! & 0xc0).toBe(0x40);
    expect(end).toBeGreaterThan(60);
  });

  it('sends a block of references alone when headers repeat', () => {
    const encoder = new IndexingEncoder();
    const fields = new Fields('constant', 'Unary');
    const out = Buffer.alloc(4096);
    encoder.encode(fields.next(), null, out, 0);
    expect(encoder.encode(fields.next(), null, out, 0)).toBe(10);
  });
});

/**
 * Huffman coding of header strings, table-driven both ways.
 *
 * The code is canonical: symbols of equal length have consecutive codes in the order of their values, so the lengths
 * say everything. Ref: RFC 7541 section 5.2 and appendix B.
 */

/** Bits of each symbol's code; the last one is EOS. Ref: RFC 7541 appendix B. */
const lengths: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28,
  28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7,
  8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19,
  13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13,
  28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21,
  22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23,
  22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25,
  25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

const eos = 256;

const assignCodes = (): Uint32Array => {
  const codes = new Uint32Array(257);
  let code = 0;
  for (let bits = 5; bits <= 30; bits++) {
    for (let symbol = 0; symbol <= eos; symbol++) if (lengths[symbol] === bits) codes[symbol] = code++;
    code *= 2;
  }
  return codes;
};

const codes = assignCodes();

// The decoder walks four bits at a time. A state is an inner node of the code's tree; no code is shorter than five
// bits, so a step emits at most one symbol. Entry: next state, or -1; emitted symbol, or -1.
const nextState = new Int16Array(257 * 16).fill(-1);
const emitted = new Int16Array(257 * 16).fill(-1);
/** 1 where a string may end: the bits since the last symbol are at most seven, all ones. */
const mayEnd = new Uint8Array(257);

const buildDecoder = (): void => {
  const children: [number, number][] = [[0, 0]]; // 0: none; n > 0: inner node; n < 0: symbol -n - 1
  for (let symbol = 0; symbol <= eos; symbol++) {
    let node = 0;
    for (let bit = lengths[symbol]! - 1; bit >= 0; bit--) {
      const side = (codes[symbol]! >>> bit) & 1;
      if (bit === 0) children[node]![side] = -symbol - 1;
      else {
        if (children[node]![side] === 0) children[node]![side] = children.push([0, 0]) - 1;
        node = children[node]![side]!;
      }
    }
  }
  for (let state = 0; state < children.length; state++)
    for (let nibble = 0; nibble < 16; nibble++) {
      let node = state;
      let symbol = -1;
      for (let bit = 3; bit >= 0; bit--) {
        const next = children[node]![(nibble >>> bit) & 1]!;
        if (next < 0) symbol = -next - 1;
        node = Math.max(next, 0);
      }
      if (symbol === eos) continue;
      nextState[state * 16 + nibble] = node;
      emitted[state * 16 + nibble] = symbol;
    }
  for (let ones = 0, node = 0; ones < 8; ones++, node = children[node]![1]!) mayEnd[node] = 1;
};

buildDecoder();

/**
 * Decodes `buffer[start, end)` into `into` from its first octet. Answers the octets written, or -1 when the code is
 * broken: EOS inside, padding longer than seven bits or not all ones. `into` needs 8/5 of the input's length.
 */
export const decodeHuffman = (buffer: Uint8Array, start: number, end: number, into: Uint8Array): number => {
  let state = 0;
  let length = 0;
  for (let i = start; i < end; i++) {
    const octet = buffer[i]!;
    let step = state * 16 + (octet >>> 4);
    state = nextState[step]!;
    if (state < 0) return -1;
    let symbol = emitted[step]!;
    if (symbol >= 0) into[length++] = symbol;
    step = state * 16 + (octet & 15);
    state = nextState[step]!;
    if (state < 0) return -1;
    symbol = emitted[step]!;
    if (symbol >= 0) into[length++] = symbol;
  }
  return mayEnd[state] === 1 ? length : -1;
};

/** Octets that `text`, one octet per character, takes when coded. */
export const huffmanLength = (text: string): number => {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += lengths[text.charCodeAt(i) & 0xff]!;
  return (bits + 7) >>> 3;
};

/** Codes `text` into `out` at `at`; answers the position behind it. */
export const encodeHuffman = (text: string, out: Uint8Array, at: number): number => {
  let pending = 0; // bits that do not fill an octet yet, fewer than 8
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 0xff;
    let bits = lengths[symbol]!;
    const code = codes[symbol]!;
    while (bits > 0) {
      const taken = Math.min(8 - count, bits);
      pending = (pending << taken) | ((code >>> (bits - taken)) & ((1 << taken) - 1));
      count += taken;
      bits -= taken;
      if (count < 8) continue;
      out[at++] = pending;
      pending = 0;
      count = 0;
    }
  }
  if (count > 0) out[at++] = (pending << (8 - count)) | ((1 << (8 - count)) - 1);
  return at;
};

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HttpAnswers } from '../../../sidecar/consul/http-answers.ts';

interface Read {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  body: string;
  isWhole: boolean;
}

/** Reads pieces, and tells what came of them. */
const readAll = (pieces: readonly string[]): Read[] => {
  const all: Read[] = [];
  const answers = new HttpAnswers({
    begin: (status, headers) => all.push({ status, headers, body: '', isWhole: false }),
    part: (octets) => {
      all.at(-1)!.body += octets.toString('latin1');
    },
    end: () => {
      all.at(-1)!.isWhole = true;
    },
  });
  for (const piece of pieces) answers.read(Buffer.from(piece, 'latin1'));
  return all;
};

const sized = 'HTTP/1.1 200 OK\r\nX-Consul-Index: 42\r\nContent-Length: 4\r\n\r\n[{}]';
const chunked =
  'HTTP/1.1 500 Internal Server Error\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nNo \r\na;x=1\r\nknown lead\r\n2\r\ner\r\n0\r\nX-End: 1\r\n\r\n';
const empty = 'HTTP/1.1 304 Not Modified\r\n\r\n';
const none = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';

describe('answers on one connection', () => {
  it('are read one behind the other: with a length, in chunks, and without a body', () => {
    expect(readAll([sized + chunked + empty + none])).toEqual([
      {
        status: 200,
        headers: { 'x-consul-index': '42', 'content-length': '4' },
        body: '[{}]',
        isWhole: true,
      },
      { status: 500, headers: { 'transfer-encoding': 'chunked' }, body: 'No known leader', isWhole: true },
      { status: 304, headers: {}, body: '', isWhole: true },
      { status: 200, headers: { 'content-length': '0' }, body: '', isWhole: true },
    ]);
  });

  it('say the same wherever they are cut', () => {
    const text = sized + chunked + none + sized;
    const whole = readAll([text]);
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 12 }), (cuts) => {
        const at = [0, ...cuts.sort((one, other) => one - other), text.length];
        expect(readAll(at.slice(1).map((end, place) => text.slice(at[place], end)))).toEqual(whole);
      }),
    );
    expect(readAll([...text])).toEqual(whole);
  });

  it('pass over "100 Continue"', () => {
    expect(readAll([`HTTP/1.1 100 Continue\r\n\r\n${sized}`]).map(({ status }) => status)).toEqual([200]);
  });

  it.each([
    ['another protocol', 'SSH-2.0-OpenSSH\r\n\r\n', /'SSH-2.0-OpenSSH' is no status line/],
    ['a line that is no header', 'HTTP/1.1 200 OK\r\nwhat\r\n\r\n', /'what' is no header/],
    ['no length', 'HTTP/1.1 200 OK\r\n\r\n', /neither its length nor that it comes in chunks/],
    ['a length below zero', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n', /neither its length/],
    [
      'a coding that we did not ask for',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n',
      /the body is in 'gzip'/,
    ],
    ['a chunk of no size', `${chunked.slice(0, 66)}zz\r\n`, /'zz' is no size of a chunk/],
    ['a chunk that goes on', `${chunked.slice(0, 66)}1\r\nab\r\n`, /a chunk is longer than it said/],
    ['a head without an end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(17_000)}`, /longer than 16384 bytes/],
    [
      'a chunk line without an end',
      `${chunked.slice(0, 66)}${'1'.repeat(17_000)}`,
      /longer than 16384 bytes/,
    ],
  ])('are refused with their fault: %s', (_, text, message) => {
    expect(() => readAll([text])).toThrow(message);
  });
});

import {
  connect,
  createServer,
  type Http2ServerRequest,
  type IncomingHttpHeaders,
  sensitiveHeaders,
} from 'node:http2';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { message, requestFields, until } from '../support/raw-http2.ts';
import { answerNothing, dialWire, type Exchange, startWire } from '../support/wire-server.ts';
import { leaveNothing } from '../support/wire-server-leftovers.ts';
import { forShare } from './budget.ts';

leaveNothing();

const name = fc
  .string({
    unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-_.'),
    minLength: 1,
    maxLength: 20,
  })
  .map((text) => `x-${text}`);
/** Octets that node:http2 passes both ways: what its own parser drops is left out, white space at the ends too. */
const octet = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0x21, max: 0x7e }) },
  { weight: 1, arbitrary: fc.integer({ min: 0x80, max: 0xff }) },
);
const value = fc
  .array(octet, { maxLength: 60 })
  .map((octets) => String.fromCharCode(...octets))
  .chain((text) => fc.constantFrom(text, text, text.repeat(10)));
const fields = fc.uniqueArray(fc.tuple(name, value), { maxLength: 10, selector: ([each]) => each });
const tableSize = fc.oneof(fc.constantFrom(0, 4096, 65_536), fc.nat(5000));
const sensitive = fc.array(fc.nat(9), { maxLength: 2 });

const pick = (list: [string, string][], at: number[]): string[] =>
  [...new Set(at)].map((index) => list[index]?.[0]).filter((each) => each !== undefined);

test("what our encoder writes, node:http2's decoder reads, through every size of its table", async () => {
  const seen: { headers: IncomingHttpHeaders; sensitive: string[] }[] = [];
  const server = createServer();
  let resize: ((size: number) => Promise<void>) | null = null;
  server.on('session', (session) => {
    resize = (size) =>
      new Promise((resolve) => void session.settings({ headerTableSize: size }, () => resolve()));
  });
  server.on('stream', (stream, headers) => {
    seen.push({ headers, sensitive: (headers as never)[sensitiveHeaders] as string[] });
    stream.respond({ ':status': 200 }, { endStream: true });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const client = await dialWire((server.address() as { port: number }).port);
  await fc.assert(
    fc.asyncProperty(fields, sensitive, fc.option(tableSize), async (list, secret, size) => {
      if (size !== null) await resize!(size);
      const never = pick(list, secret);
      const before = seen.length;
      const call = client.call([...requestFields, ...list.flat()], true, never);
      await until(() => call.over, 'an answer');
      expect(call.aborts).toEqual([]);
      const { headers, sensitive: marked } = seen[before]!;
      expect(Object.entries(headers).filter(([each]) => each.startsWith('x-'))).toEqual(
        Object.entries(Object.fromEntries(list)),
      );
      expect(new Set(marked)).toEqual(new Set(never));
    }),
    forShare(0.1),
  );
  expect(seen.length).toBeGreaterThan(50);
  await client.close();
  await new Promise<void>((resolve) => void server.close(() => resolve()));
});

test("what node:http2's encoder writes, our decoder reads, never-indexed bit included", async () => {
  const server = await startWire({
    answer: ({ stream, last }: Exchange) => {
      if (last) stream!.headers([':status', '200'], null, true);
      stream!.release();
    },
  });
  const session = connect(`http://127.0.0.1:${server.port}`);
  await new Promise<void>((resolve) => void session.on('connect', () => resolve()));
  await fc.assert(
    fc.asyncProperty(fields, sensitive, async (list, secret) => {
      const never = pick(list, secret);
      const before = server.requests.length;
      const stream = session.request(
        {
          ':method': 'POST',
          ':path': '/t.S/Echo',
          ...Object.fromEntries(list),
          [sensitiveHeaders]: never,
        } as never,
        { endStream: true },
      );
      stream.resume();
      await new Promise<void>((resolve, reject) => {
        stream.on('close', () => resolve());
        stream.on('error', reject);
      });
      const [heard] = server.requests[before]!.lists;
      const pairs = heard!.flatMap((each, i) =>
        i % 2 === 0 && each.startsWith('x-') ? [[each, heard![i + 1]]] : [],
      );
      expect(pairs).toEqual(Object.entries(Object.fromEntries(list)));
      expect(new Set(server.requests[before]!.never[0])).toEqual(new Set(never));
    }),
    forShare(0.1),
  );
  expect(server.requests.length).toBeGreaterThan(50);
  await new Promise<void>((resolve) => void session.close(() => resolve()));
  await server.close();
});

test('every octet that may stand in a value crosses to node:http2 and back', async () => {
  const all = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i))
    .filter((each) => !'\0\r\n'.includes(each))
    .join('');
  const text = `a${all}a`;
  const heard: string[] = [];
  const server = createServer();
  server.on('request', (request: Http2ServerRequest, response) => {
    const at = request.rawHeaders.indexOf('x-all');
    heard.push(request.rawHeaders[at + 1]!);
    response.end();
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const client = await dialWire((server.address() as { port: number }).port, { answer: answerNothing });
  // user-agent is indexed, so it is coded with Huffman; x-all is plain.
  const call = client.call([...requestFields, 'x-all', text.replace(/[\x01-\x08\x0b-\x1f\x7f]/g, '')], false);
  call.target.write(message(Buffer.alloc(3)), 0, 8);
  call.target.end();
  await until(() => call.over);
  expect(heard).toEqual([text.replace(/[\x01-\x08\x0b-\x1f\x7f]/g, '')]);
  await client.close();
  await new Promise<void>((resolve) => void server.close(() => resolve()));
});

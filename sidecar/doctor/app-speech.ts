import type { Place } from '../settings/address.ts';
import { connect, patienceMs } from './sockets.ts';

/** What an app turned out to speak, and what it says of its health. */
export type AppSpeech =
  | { readonly speaks: 'http2'; readonly health: 'serving' | 'not serving' | 'not implemented' | 'unknown' }
  | { readonly speaks: 'http1' | 'tls' | 'nothing' | 'something else' };

const frame = (type: number, flags: number, stream: number, payload: Buffer): Buffer => {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
};

/** A literal field without indexing and without Huffman code. Ref: RFC 7541, section 6.2.2. */
const field = (name: string, value: string): Buffer =>
  Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value),
  ]);

/**
 * HTTP/2 with prior knowledge, and one call of grpc.health.v1 for the whole server (an empty request). Written by hand:
 * whatever answers here is not known to be a server of HTTP/2, and some libraries end the process over that.
 */
const question = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  frame(4, 0, 0, Buffer.alloc(0)),
  frame(
    1,
    4,
    1,
    Buffer.concat([
      field(':method', 'POST'),
      field(':scheme', 'http'),
      field(':path', '/grpc.health.v1.Health/Check'),
      field(':authority', 'localhost'),
      field('content-type', 'application/grpc'),
      field('te', 'trailers'),
    ]),
  ),
  frame(0, 1, 1, Buffer.alloc(5)),
]);

/** Asks an app what it speaks; rejects when nobody answers there. */
export const appSpeech = async (place: Place): Promise<AppSpeech> => {
  const socket = await connect(place);
  try {
    return await new Promise<AppSpeech>((resolve) => {
      let heard: Buffer = Buffer.alloc(0);
      const late = setTimeout(() => resolve(meaning(heard) ?? silence(heard)), patienceMs);
      const end = (): void => {
        clearTimeout(late);
        resolve(meaning(heard) ?? silence(heard));
      };
      socket.on('data', (chunk: Buffer) => {
        // A server that never stops talking has said enough after 64 KiB.
        heard = Buffer.concat([heard, chunk]).subarray(0, 65_536);
        const meant = meaning(heard);
        if (meant === null) return;
        clearTimeout(late);
        resolve(meant);
      });
      socket.once('error', end);
      socket.once('close', end);
      socket.write(question);
    });
  } finally {
    socket.destroy();
  }
};

/** What it was when no more comes. */
const silence = (heard: Buffer): AppSpeech => {
  if (heard.length === 0) return { speaks: 'nothing' };
  return isSettings(heard) ? { speaks: 'http2', health: 'unknown' } : { speaks: 'something else' };
};

const isSettings = (heard: Buffer): boolean =>
  heard.length >= 9 && heard[3] === 4 && heard.readUInt32BE(5) === 0;

/** What was heard so far means; null while more has to come. */
const meaning = (heard: Buffer): AppSpeech | null => {
  if (heard.length < 9) return null;
  if (heard.subarray(0, 5).toString('latin1') === 'HTTP/') return { speaks: 'http1' };
  // An alert or a handshake record of TLS 1.x.
  if ((heard[0] === 0x15 || heard[0] === 0x16) && heard[1] === 3) return { speaks: 'tls' };
  if (!isSettings(heard)) return { speaks: 'something else' };
  for (let at = 0; at + 9 <= heard.length; ) {
    const length = heard.readUIntBE(at, 3);
    if (at + 9 + length > heard.length) return null;
    const [type, flags] = [heard[at + 3]!, heard[at + 4]!];
    const payload = heard.subarray(at + 9, at + 9 + length);
    at += 9 + length;
    // DATA: the message of a HealthCheckResponse behind its five bytes. Field 1, 1 is SERVING.
    if (type === 0 && length >= 5)
      return { speaks: 'http2', health: payload[5] === 8 && payload[6] === 1 ? 'serving' : 'not serving' };
    // HEADERS that end the stream carry a status alone.
    if (type === 1 && (flags & 1) !== 0) return { speaks: 'http2', health: 'not implemented' };
    // RST_STREAM, GOAWAY.
    if (type === 3 || type === 7) return { speaks: 'http2', health: 'unknown' };
  }
  return null;
};

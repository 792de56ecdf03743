import { setTimeout as pause } from 'node:timers/promises';
import { Flag, FrameType } from '../../wire/frames.ts';
import { block, frame, RawPeer, requestFields } from './raw-http2.ts';

/** Octets as HTTP/2 carries them. */
const octets = (text: string): string => Buffer.from(text).toString('latin1');

/** What somebody would write to have a line of their own in a log, or the terminal of who reads it. */
export const forgedTexts: readonly string[] = [
  'a\r\n{"level":"error","event":"forged"}',
  'a\n{"level":"error","event":"forged"}',
  'a\0b',
  '\u001b[31mforged\u001b[0m',
  '\u009b31mforged',
  octets('a\u2028{"event":"forged"}'),
  octets('a\u202egnorw'),
  'a","level":"fatal","forged":"',
  "a', forged: '",
  'a\\',
  '%0d%0a{"event":"forged"}',
  '\u007f\u007fforged',
  'x'.repeat(9000),
];

/** Octets that HTTP/2 itself lets no field carry: such a request is reset, and is no call. */
export const isNoField = (text: string): boolean => /[\r\n\0]/.test(text);

type Fields = readonly string[];

/** A gRPC request to `echo` with `fields` in place of its own of the same name, and the others behind. */
const requestTo = (fields: Fields): string[] => {
  const made = requestFields.map((text) => (text === 'inventory' ? 'echo' : text));
  for (let i = 0; i < fields.length; i += 2) {
    const at = made.findIndex((text, index) => index % 2 === 0 && text === fields[i]);
    if (at < 0 || !fields[i]!.startsWith(':')) made.push(fields[i]!, fields[i + 1]!);
    else made[at + 1] = fields[i + 1]!;
  }
  return made;
};

/** Every place of a request where a text can stand that a log may have. */
export const placesFor = (text: string): Fields[] => [
  ['x-request-id', text],
  ['x-correlation-id', text],
  ['x-request-id', 'clean-1', 'x-request-id', text],
  ['x-request-id', text, 'x-request-id', 'clean-2'],
  ['x-request-id', 'clean-3', 'x-correlation-id', text],
  [':path', `/t.S/${text}`],
  [':path', text],
  [':authority', text],
  ['x-outrigger-service', text],
  ['user-agent', text],
  ['grpc-timeout', text],
  ['traceparent', text],
  ['baggage', text],
];

/** Sends each as a request of its own over one connection, one after another, and waits for every answer. */
export const sendAll = async (port: number, requests: readonly Fields[]): Promise<void> => {
  const peer = await RawPeer.dial(port);
  try {
    for (const [index, fields] of requests.entries()) {
      const id = 2 * index + 1;
      const whole = block(...requestTo(fields));
      peer.send(frame(FrameType.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, id, whole));
      const isOver = (): boolean =>
        peer.frames.some(
          ({ type, stream, flags }) =>
            stream === id && (type === FrameType.RST_STREAM || (flags & Flag.END_STREAM) !== 0),
        );
      for (const end = performance.now() + 5000; !isOver(); await pause(1))
        if (peer.closed || performance.now() > end) throw new Error(`request ${index} was not answered`);
    }
  } finally {
    peer.close();
  }
};

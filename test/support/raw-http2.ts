import { createServer, type Server, Socket } from 'node:net';
import { Flag, FrameType, frameHeaderSize, preface } from '../../wire/frames.ts';

/** A frame as it came. */
export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** A frame's octets, whatever they say. `length` lies about the payload's size when given. */
export const frame = (
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
  length: number = payload.length,
): Buffer => {
  const out = Buffer.alloc(frameHeaderSize + payload.length);
  out.writeUIntBE(length, 0, 3);
  out[3] = type;
  out[4] = flags;
  out.writeUInt32BE(stream >>> 0, 5);
  payload.copy(out, frameHeaderSize);
  return out;
};

/** 32-bit words, for the payloads of RST_STREAM, WINDOW_UPDATE, GOAWAY and PING. */
export const words = (...values: number[]): Buffer => {
  const out = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => void out.writeUInt32BE(value >>> 0, 4 * index));
  return out;
};

/** An HPACK string without Huffman. */
export const plain = (text: string): Buffer => {
  const octets = Buffer.from(text, 'latin1');
  if (octets.length < 127) return Buffer.concat([Buffer.from([octets.length]), octets]);
  const head = [127];
  let rest = octets.length - 127;
  for (; rest >= 128; rest >>>= 7) head.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([...head, rest]), octets]);
};

/** A header block of literals without indexing: it leaves both tables as they are. */
export const block = (...fields: string[]): Buffer => {
  const parts: Buffer[] = [];
  for (let i = 0; i < fields.length; i += 2)
    parts.push(Buffer.from([0]), plain(fields[i]!), plain(fields[i + 1]!));
  return Buffer.concat(parts);
};

/** A gRPC request's fields. */
export const requestFields: readonly string[] = [
  ...[':method', 'POST', ':scheme', 'http', ':path', '/t.S/Echo', ':authority', 'inventory'],
  ...['content-type', 'application/grpc', 'te', 'trailers'],
];

/** HEADERS of a gRPC request, in one frame. */
export const request = (stream: number, last: boolean, ...more: string[]): Buffer =>
  frame(
    FrameType.HEADERS,
    Flag.END_HEADERS | (last ? Flag.END_STREAM : 0),
    stream,
    block(...requestFields, ...more),
  );

/** HEADERS of a response, in one frame. */
export const response = (stream: number, last: boolean, ...fields: string[]): Buffer =>
  frame(FrameType.HEADERS, Flag.END_HEADERS | (last ? Flag.END_STREAM : 0), stream, block(...fields));

export const data = (stream: number, payload: Buffer, flags = 0): Buffer =>
  frame(FrameType.DATA, flags, stream, payload);
export const rst = (stream: number, code: number): Buffer =>
  frame(FrameType.RST_STREAM, 0, stream, words(code));
export const windowUpdate = (stream: number, increment: number): Buffer =>
  frame(FrameType.WINDOW_UPDATE, 0, stream, words(increment));
export const ping = (low = 7): Buffer => frame(FrameType.PING, 0, 0, words(0, low));
export const goaway = (last: number, code: number): Buffer =>
  frame(FrameType.GOAWAY, 0, 0, words(last, code));
/** SETTINGS of pairs: id, value, id, value. */
export const settings = (...pairs: number[]): Buffer => {
  const payload = Buffer.alloc(pairs.length * 3);
  for (let i = 0; i < pairs.length; i += 2) {
    payload.writeUInt16BE(pairs[i]!, i * 3);
    payload.writeUInt32BE(pairs[i + 1]!, i * 3 + 2);
  }
  return frame(FrameType.SETTINGS, 0, 0, payload);
};
export const settingsAck: Buffer = frame(FrameType.SETTINGS, Flag.ACK, 0);

/** A gRPC message: prefix and octets. */
export const message = (octets: Buffer): Buffer =>
  Buffer.concat([Buffer.from([0]), words(octets.length), octets]);

/** Turns of the event loop until `predicate` holds. Fails after `mostMs`, with what was waited for. */
export const until = async (
  predicate: () => boolean,
  what = 'a condition',
  mostMs = 5_000,
): Promise<void> => {
  const end = performance.now() + mostMs;
  while (!predicate()) {
    if (performance.now() > end) throw new Error(`waited ${mostMs} ms for ${what}`);
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
};

/** RawPeer is one end of a connection whose every octet is written by hand; it answers nothing by itself. */
export class RawPeer {
  readonly socket: Socket;
  readonly frames: RawFrame[] = [];
  /** What came before or instead of frames. */
  text = '';
  octets = 0;
  closed = false;
  #rest: Buffer = Buffer.alloc(0);
  #skip: number;

  constructor(socket: Socket, skip: number) {
    this.socket = socket;
    this.#skip = skip;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
    });
  }

  /** Dials a server; `greet`: sends preface and SETTINGS; `clings`: does not close when the other end does. */
  static async dial(port: number, greet: Buffer | null = settings(), clings = false): Promise<RawPeer> {
    const socket = new Socket({ allowHalfOpen: clings });
    const peer = new RawPeer(socket, 0);
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.connect(port, '127.0.0.1', resolve);
    });
    if (greet !== null) peer.send(preface, greet);
    return peer;
  }

  send(...parts: Buffer[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(parts));
  }

  /** Sends, and waits until the kernel has taken it or the connection is over. */
  async push(...parts: Buffer[]): Promise<void> {
    if (this.socket.destroyed) return;
    await new Promise<void>((resolve) => void this.socket.write(Buffer.concat(parts), () => resolve()));
  }

  of(type: number, stream?: number): RawFrame[] {
    return this.frames.filter((each) => each.type === type && (stream ?? each.stream) === each.stream);
  }

  /** The newest GOAWAY's error code, or -1. */
  get goawayCode(): number {
    return this.of(FrameType.GOAWAY).at(-1)?.payload.readUInt32BE(4) ?? -1;
  }

  /** The code of the stream's RST_STREAM, or -1. */
  resetCode(stream: number): number {
    return this.of(FrameType.RST_STREAM, stream)[0]?.payload.readUInt32BE(0) ?? -1;
  }

  /** Octets of DATA that came, without padding. */
  dataBytes(stream?: number): number {
    return this.of(FrameType.DATA, stream).reduce((sum, each) => sum + each.payload.length, 0);
  }

  /** A round trip: what was sent before has been read by the other end, and its answers have come. */
  async settle(mark = 0x5e771e): Promise<void> {
    const before = this.of(FrameType.PING).length;
    this.send(ping(mark));
    await until(() => this.closed || this.of(FrameType.PING).length > before, 'a PING ACK');
  }

  async gone(): Promise<void> {
    await until(() => this.closed, 'the connection to close');
  }

  close(): void {
    this.socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.octets += chunk.length;
    const skipped = Math.min(this.#skip, chunk.length);
    this.#skip -= skipped;
    const all = Buffer.concat([this.#rest, chunk.subarray(skipped)]);
    let at = 0;
    if (all.toString('latin1', 0, 5) === 'HTTP/') {
      this.text += all.toString('latin1');
      return;
    }
    while (all.length - at >= frameHeaderSize) {
      const end = at + frameHeaderSize + all.readUIntBE(at, 3);
      if (end > all.length) break;
      this.frames.push({
        type: all[at + 3]!,
        flags: all[at + 4]!,
        stream: all.readUInt32BE(at + 5) & 0x7fff_ffff,
        payload: Buffer.from(all.subarray(at + frameHeaderSize, end)),
      });
      at = end;
    }
    this.#rest = Buffer.from(all.subarray(at));
  }
}

/** A server whose every octet is written by hand: `onPeer` hears of each connection, preface taken off. */
export const listenRaw = async (
  onPeer: (peer: RawPeer) => void,
): Promise<{ port: number; peers: RawPeer[]; close(): Promise<void> }> => {
  const peers: RawPeer[] = [];
  const server: Server = createServer((socket) => {
    const peer = new RawPeer(socket, preface.length);
    peers.push(peer);
    onPeer(peer);
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    peers,
    close: () => {
      for (const peer of peers) peer.close();
      return new Promise<void>((resolve) => void server.close(() => resolve()));
    },
  };
};

import type { Socket } from 'node:net';
import { defaultFrameSize, Flag, FrameType, frameHeaderSize } from './frames.ts';
import { Encoder } from './hpack/encoder.ts';
import type { Driven, Loop } from './loop.ts';

/** Slices from this size on are handed to the socket as they are; smaller ones are cheaper to copy. */
const copyBelow = 4096;
/** How long a peer may take nothing while more than its limit waits. */
const stalledMs = 1000;
const none: Buffer = Buffer.alloc(0);

/**
 * Output collects the frames of one turn in one buffer and hands them to the socket at its end.
 *
 * Everything here is in order of writing; flow control is the stream's and the connection's business.
 */
export class Output {
  readonly encoder: Encoder = new Encoder();
  /** The peer's SETTINGS_MAX_FRAME_SIZE; we never send more than 16,384 octets in a frame. */
  frameSize: number = defaultFrameSize;
  /** True while the socket holds more than it should: no DATA until `drain`. */
  congested = false;
  readonly #socket: Socket;
  readonly #loop: Loop;
  readonly #owner: Driven;
  readonly #congestion: number;
  /** What was borrowed from the loop to write into: what is full, what is written to now, and its part not yet in #pieces. */
  #full: Buffer[] = [];
  #slab: Buffer = none;
  #buffer: Buffer = none;
  #at = 0;
  #scheduled = false;
  #congestedAt = 0;
  /** What waits before #buffer in this turn, when large slices are sent as they are. */
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  /** Where the newest frame begins when it is DATA of #tailStream and can still grow; else -1. */
  #tail = -1;
  #tailStream = 0;

  constructor(socket: Socket, loop: Loop, owner: Driven, congestionBytes: number) {
    this.#socket = socket;
    this.#loop = loop;
    this.#owner = owner;
    this.#congestion = congestionBytes;
  }

  /** Octets that the peer has not taken: in this turn's buffer and in the socket. */
  get waiting(): number {
    return this.#at + this.#pieceBytes + this.#socket.writableLength;
  }

  /** More waits for the peer than its limit: nothing new should begin. */
  get full(): boolean {
    return this.waiting > 4 * this.#congestion;
  }

  /** So much waits that there is no time to see whether the peer reads. */
  get flooded(): boolean {
    return this.waiting > 16 * this.#congestion;
  }

  /** The peer has taken nothing for a second, and more than its limit waits. Asked at each tick. */
  stalled(now: number): boolean {
    if (!this.congested) this.#congestedAt = 0;
    else if (this.#congestedAt === 0) this.#congestedAt = now;
    return this.#congestedAt !== 0 && now - this.#congestedAt >= stalledMs && this.full;
  }

  /** Octets of DATA that this turn still takes. */
  get room(): number {
    return this.#congestion - this.#at - this.#pieceBytes;
  }

  /** Writes octets as they are: the preface, an answer in HTTP/1.1. */
  raw(octets: Buffer): void {
    this.#reserve(octets.length);
    this.#at += octets.copy(this.#buffer, this.#at);
    this.#tail = -1;
  }

  /** A frame whose payload is up to two 32-bit words: RST_STREAM, WINDOW_UPDATE, GOAWAY without words of its own. */
  words(type: number, flags: number, stream: number, first: number, second?: number): void {
    const length = second === undefined ? 4 : 8;
    this.#reserve(frameHeaderSize + length);
    const at = this.#header(length, type, flags, stream);
    this.#put32(at, first);
    if (second !== undefined) this.#put32(at + 4, second);
    this.#at = at + length;
    this.#tail = -1;
  }

  /** A frame with a payload of octets, copied. */
  frame(type: number, flags: number, stream: number, payload: Uint8Array): void {
    this.#reserve(frameHeaderSize + payload.length);
    const at = this.#header(payload.length, type, flags, stream);
    this.#buffer.set(payload, at);
    this.#at = at + payload.length;
    this.#tail = -1;
  }

  /** Encodes and writes a header block, in CONTINUATION frames where one frame is too small. */
  headers(stream: number, fields: readonly string[], never: readonly string[] | null, end: boolean): void {
    const bound = Encoder.bound(fields);
    this.#reserve(frameHeaderSize + bound);
    const start = this.#at + frameHeaderSize;
    const size = this.encoder.encode(fields, never, this.#buffer, start) - start;
    const flags = end ? Flag.END_STREAM : 0;
    this.#tail = -1;
    if (size <= this.frameSize) {
      this.#header(size, FrameType.HEADERS, flags | Flag.END_HEADERS, stream);
      this.#at = start + size;
      return;
    }
    const block = Buffer.from(this.#buffer.subarray(start, start + size));
    for (let from = 0; from < size; from += this.frameSize) {
      const piece = block.subarray(from, from + this.frameSize);
      const last = from + this.frameSize >= size ? Flag.END_HEADERS : 0;
      if (from === 0) this.frame(FrameType.HEADERS, flags | last, stream, piece);
      else this.frame(FrameType.CONTINUATION, last, stream, piece);
    }
  }

  /**
   * Writes `chunk[start, end)` as DATA, in frames that the peer accepts. Small pieces join the newest frame when it is
   * the same stream's and has not left; large ones go uncopied when `owned` or fresh from a socket.
   */
  data(stream: number, chunk: Uint8Array, start: number, end: number): void {
    while (start < end) {
      const piece = Math.min(end - start, this.frameSize);
      if (piece >= copyBelow) this.#uncopied(stream, chunk, start, start + piece);
      else this.#copied(stream, chunk, start, start + piece);
      start += piece;
    }
  }

  /** Half-closes a stream: on its newest DATA frame when that has not left, else with an empty one. */
  end(stream: number): void {
    if (this.#tail >= 0 && this.#tailStream === stream) {
      this.#buffer[this.#tail + 4]! |= Flag.END_STREAM;
      this.#tail = -1;
      return;
    }
    this.#reserve(frameHeaderSize);
    this.#at = this.#header(0, FrameType.DATA, Flag.END_STREAM, stream);
    this.#tail = -1;
  }

  /** Hands what was written to the socket. */
  flush(): void {
    this.#scheduled = false;
    this.#tail = -1;
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) {
      this.#drop();
      return;
    }
    if (this.#pieces.length > 0) this.#flushPieces(socket);
    else if (this.#at > 0) socket.write(this.#buffer.subarray(0, this.#at));
    const waiting = socket.writableLength;
    this.#release(waiting === 0);
    if (waiting > this.#congestion) this.congested = true;
  }

  #flushPieces(socket: Socket): void {
    socket.cork();
    for (const piece of this.#pieces) socket.write(piece);
    if (this.#at > 0) socket.write(this.#buffer.subarray(0, this.#at));
    socket.uncork();
    this.#pieces = [];
    this.#pieceBytes = 0;
  }

  #drop(): void {
    this.#pieces = [];
    this.#pieceBytes = 0;
    this.#release(true);
  }

  /**
   * Gives memory back to the loop: all of it when the kernel has `taken` every octet (nothing waits in the socket, so
   * nobody reads it any more), else the part that was not written.
   */
  #release(taken: boolean): void {
    if (this.#slab === none) return;
    if (taken) for (const slab of this.#full) this.#loop.giveBack(slab);
    this.#loop.giveBack(taken ? this.#slab : this.#buffer.subarray(this.#at));
    if (this.#full.length > 0) this.#full = [];
    this.#slab = none;
    this.#buffer = none;
    this.#at = 0;
  }

  #copied(stream: number, chunk: Uint8Array, start: number, end: number): void {
    const size = end - start;
    if (this.#tail >= 0 && this.#tailStream === stream && this.#grow(chunk, start, end, size)) return;
    this.#reserve(frameHeaderSize + size);
    const tail = this.#at;
    const at = this.#header(size, FrameType.DATA, 0, stream);
    this.#put(chunk, start, end, at);
    this.#at = at + size;
    this.#tail = tail;
    this.#tailStream = stream;
  }

  #grow(chunk: Uint8Array, start: number, end: number, size: number): boolean {
    const buffer = this.#buffer;
    const tail = this.#tail;
    const length = ((buffer[tail]! << 16) | (buffer[tail + 1]! << 8) | buffer[tail + 2]!) + size;
    if (length > this.frameSize || this.#at + size > buffer.length) return false;
    buffer[tail] = length >>> 16;
    buffer[tail + 1] = length >>> 8;
    buffer[tail + 2] = length;
    this.#put(chunk, start, end, this.#at);
    this.#at += size;
    return true;
  }

  #put(chunk: Uint8Array, start: number, end: number, at: number): void {
    const buffer = this.#buffer;
    if (end - start < 48) for (let i = start; i < end; i++) buffer[at++] = chunk[i]!;
    else if (start === 0 && end === chunk.length) buffer.set(chunk, at);
    else buffer.set(chunk.subarray(start, end), at);
  }

  #uncopied(stream: number, chunk: Uint8Array, start: number, end: number): void {
    this.#reserve(frameHeaderSize);
    this.#at = this.#header(end - start, FrameType.DATA, 0, stream);
    this.#tail = -1;
    this.#pieces.push(this.#buffer.subarray(0, this.#at));
    this.#buffer = this.#buffer.subarray(this.#at);
    this.#pieceBytes += this.#at + end - start;
    this.#at = 0;
    this.#pieces.push(Buffer.from(chunk.buffer, chunk.byteOffset + start, end - start));
  }

  #reserve(size: number): void {
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#loop.schedule(this.#owner);
    }
    if (this.#at + size <= this.#buffer.length) return;
    if (this.#at > 0) {
      this.#pieces.push(this.#buffer.subarray(0, this.#at));
      this.#pieceBytes += this.#at;
    }
    if (this.#slab !== none) this.#full.push(this.#slab);
    this.#slab = this.#buffer = this.#loop.borrow(size);
    this.#at = 0;
    this.#tail = -1;
  }

  #header(length: number, type: number, flags: number, stream: number): number {
    const buffer = this.#buffer;
    const at = this.#at;
    buffer[at] = length >>> 16;
    buffer[at + 1] = length >>> 8;
    buffer[at + 2] = length;
    buffer[at + 3] = type;
    buffer[at + 4] = flags;
    this.#put32(at + 5, stream);
    return at + frameHeaderSize;
  }

  #put32(at: number, value: number): void {
    const buffer = this.#buffer;
    buffer[at] = value >>> 24;
    buffer[at + 1] = value >>> 16;
    buffer[at + 2] = value >>> 8;
    buffer[at + 3] = value;
  }
}

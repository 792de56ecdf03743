import type { Socket } from 'node:net';
import { defaultFrameSize, Flag, FrameType, frameHeaderSize } from './frames.ts';
import { Encoder } from './hpack/encoder.ts';
import type { Driven, Loop } from './loop.ts';

/** How long a peer may take nothing while more than its limit waits. */
const stalledMs = 1000;
const none: Buffer = Buffer.alloc(0);

/**
 * Output collects the frames of one turn in one slab and hands it to the socket when it is full, or at the turn's end.
 *
 * All octets are copied: the slab is warm in the cache, and the kernel takes it before the next turn, so that the
 * same memory serves again (TLS takes it a turn later); whose octets they were is then no question. Everything here is in order of writing; flow
 * control is the stream's and the connection's business.
 */
export class Output {
  readonly encoder: Encoder = new Encoder();
  /** The peer's SETTINGS_MAX_FRAME_SIZE; we never send more than 16,384 octets in a frame. */
  frameSize: number = defaultFrameSize;
  /** True while the socket holds more than it should: no DATA until `drain`. */
  congested = false;
  /** The newest stream of which something has been handed to the socket. */
  sentStream = 0;
  #writtenStream = 0;
  readonly #socket: Socket;
  readonly #loop: Loop;
  readonly #owner: Driven;
  readonly #congestion: number;
  /** Borrowed from the loop to write into, and written up to #at. */
  #buffer: Buffer = none;
  #at = 0;
  /** Octets that were handed to the socket before the turn's end. */
  #spilled = 0;
  /** Slabs that the socket still reads from, and how much was ever handed over when they were: it is taken in order. */
  #lent: { readonly slab: Buffer; readonly until: number }[] = [];
  #handed = 0;
  #scheduled = false;
  #congestedAt = 0;
  /** Where the newest frame begins when it is DATA of #tailStream and can still grow; else -1. */
  #tail = -1;
  #tailStream = 0;

  constructor(socket: Socket, loop: Loop, owner: Driven, congestionBytes: number) {
    this.#socket = socket;
    this.#loop = loop;
    this.#owner = owner;
    this.#congestion = congestionBytes;
  }

  /** Octets that the peer has not taken: in the slab and in the socket. */
  get waiting(): number {
    return this.#at + this.#socket.writableLength;
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
    this.#reclaim();
    if (!this.congested) this.#congestedAt = 0;
    else if (this.#congestedAt === 0) this.#congestedAt = now;
    return this.#congestedAt !== 0 && now - this.#congestedAt >= stalledMs && this.full;
  }

  /** Octets of DATA that this turn still takes. */
  get room(): number {
    return this.#congestion - this.#at - this.#spilled;
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
    if (stream > this.#writtenStream) this.#writtenStream = stream;
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
   * Writes `chunk[start, end)` as DATA, in frames that the peer accepts. The beginning joins the newest frame when that
   * is the same stream's and has not left.
   */
  data(stream: number, chunk: Uint8Array, start: number, end: number): void {
    if (this.#tail >= 0 && this.#tailStream === stream) start += this.#grow(chunk, start, end);
    while (start < end) {
      const piece = Math.min(end - start, this.frameSize);
      this.#reserve(frameHeaderSize + piece);
      const tail = this.#at;
      const at = this.#header(piece, FrameType.DATA, 0, stream);
      this.#put(chunk, start, start + piece, at);
      this.#at = at + piece;
      this.#tail = tail;
      this.#tailStream = stream;
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
    this.#spilled = 0;
    this.#handOver();
    // Only where 'drain' will come: Node says it to those whom it told to wait.
    if (this.#socket.writableLength > this.#congestion && this.#socket.writableNeedDrain)
      this.congested = true;
  }

  #handOver(): void {
    this.#tail = -1;
    const socket = this.#socket;
    const buffer = this.#buffer;
    const at = this.#at;
    if (buffer === none) return;
    this.#buffer = none;
    this.#at = 0;
    if (socket.destroyed || socket.writableEnded || at === 0) return this.#loop.slabs.giveBack(buffer);
    this.sentStream = this.#writtenStream;
    this.#handed += at;
    socket.write(buffer.subarray(0, at));
    // The kernel took all: nobody reads the slab any more. Else its unwritten half may serve, or it waits as a whole.
    if (socket.writableLength === 0) this.#loop.slabs.giveBack(buffer);
    else if (at * 2 < buffer.length) this.#loop.slabs.giveBack(buffer.subarray(at));
    else this.#lent.push({ slab: buffer, until: this.#handed });
  }

  /**
   * Gives back the slabs that the socket has done with. Under TLS no write is taken at once, so that while every turn
   * writes, something always waits. A destroyed socket forgets its queue out of order: what it holds is not used again.
   */
  #reclaim(): void {
    const lent = this.#lent;
    if (lent.length === 0 || this.#socket.destroyed) return;
    const taken = this.#handed - this.#socket.writableLength;
    let done = 0;
    while (done < lent.length && lent[done]!.until <= taken) this.#loop.slabs.giveBack(lent[done++]!.slab);
    if (done > 0) lent.splice(0, done);
  }

  /** Adds to the newest frame what it has room for; answers how much that was. */
  #grow(chunk: Uint8Array, start: number, end: number): number {
    const buffer = this.#buffer;
    const tail = this.#tail;
    const length = (buffer[tail]! << 16) | (buffer[tail + 1]! << 8) | buffer[tail + 2]!;
    const size = Math.min(end - start, this.frameSize - length, buffer.length - this.#at);
    const grown = length + size;
    buffer[tail] = grown >>> 16;
    buffer[tail + 1] = grown >>> 8;
    buffer[tail + 2] = grown;
    this.#put(chunk, start, start + size, this.#at);
    this.#at += size;
    return size;
  }

  #put(chunk: Uint8Array, start: number, end: number, at: number): void {
    const buffer = this.#buffer;
    if (end - start < 48) for (let i = start; i < end; i++) buffer[at++] = chunk[i]!;
    else if (start === 0 && end === chunk.length) buffer.set(chunk, at);
    else buffer.set(chunk.subarray(start, end), at);
  }

  #reserve(size: number): void {
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#loop.schedule(this.#owner);
      this.#reclaim();
    }
    if (this.#at + size <= this.#buffer.length) return;
    this.#spilled += this.#at;
    this.#handOver();
    this.#buffer = this.#loop.slabs.borrow(size);
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

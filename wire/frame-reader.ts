import { Flag, FrameType, frameHeaderSize } from './frames.ts';

/** Who takes frames, whole. */
export interface FrameSink {
  /** A frame whose payload is `buffer[start, end)`. False: read no more of this chunk, the connection is over. */
  frame(type: number, flags: number, stream: number, buffer: Buffer, start: number, end: number): boolean;
  /** A frame announced more octets than we accept. */
  oversized(type: number, stream: number, length: number): void;
}

const none: Buffer = Buffer.alloc(0);
/** So many octets of a DATA frame are worth handing on before the others have come. */
const partFrom = 1024;

/**
 * FrameReader finds frames in the chunks that a socket gives, in place.
 *
 * A DATA frame that straddles two chunks is handed on as two: its meaning does not depend on where it is cut, and
 * nothing of it waits. Any other is put together in a buffer of exactly its size, so that at most one frame is held.
 */
export class FrameReader {
  /** Frames found so far. */
  frames = 0;
  readonly #sink: FrameSink;
  readonly #largest: number;
  /** The header of the frame whose end has not come, as far as it came. */
  readonly #header: Buffer = Buffer.alloc(frameHeaderSize);
  #headerHave = 0;
  /** Its payload, as far as it came. */
  #payload: Buffer = none;
  #payloadHave = 0;
  #begunAt = 0;

  constructor(sink: FrameSink, largestFrame: number) {
    this.#sink = sink;
    this.#largest = largestFrame;
  }

  /** Milliseconds that the beginning of a frame has waited for its end; 0: none waits. */
  waited(now: number): number {
    return this.#headerHave > 0 ? now - this.#begunAt : 0;
  }

  /** The frame that waits is DATA. */
  get inData(): boolean {
    return this.#headerHave === frameHeaderSize && this.#header[3] === FrameType.DATA;
  }

  /** Reads all whole frames of `chunk[at, ...)`, which came at `now`. The chunk may change after return. */
  push(chunk: Buffer, at: number, now: number): void {
    if (this.#headerHave > 0) {
      at = this.#goOn(chunk, at);
      if (at < 0) return;
    }
    const length = chunk.length;
    while (length - at >= frameHeaderSize) {
      const size = sizeOf(chunk, at);
      if (size > this.#largest) return this.#oversized(chunk, at, size);
      this.frames++;
      const start = at + frameHeaderSize;
      const end = start + size;
      if (end > length) break;
      if (!this.#sink.frame(chunk[at + 3]!, chunk[at + 4]!, streamOf(chunk, at), chunk, start, end)) return;
      at = end;
    }
    if (at >= length) return;
    this.#begunAt = now;
    this.#goOn(chunk, at);
  }

  /** Goes on with the frame whose end has not come; answers where the next begins, or -1 to stop. */
  #goOn(chunk: Buffer, at: number): number {
    const header = this.#header;
    if (this.#headerHave < frameHeaderSize) {
      const taken = chunk.copy(header, this.#headerHave, at, at + frameHeaderSize - this.#headerHave);
      this.#headerHave += taken;
      if (this.#headerHave < frameHeaderSize) return -1;
      at += taken;
    }
    const size = sizeOf(header, 0);
    if (this.#payload === none) {
      if (size > this.#largest) {
        this.#oversized(header, 0, size);
        return -1;
      }
      if (chunk.length - at >= size) return this.#deliver(header[4]!, chunk, at, at + size) ? at + size : -1;
      if (this.#handOnPart(chunk, at, size) || at === chunk.length) return -1;
      this.#payload = Buffer.allocUnsafe(size);
      this.#payloadHave = 0;
    }
    const payload = this.#payload;
    const taken = chunk.copy(payload, this.#payloadHave, at);
    this.#payloadHave += taken;
    if (this.#payloadHave < payload.length) return -1;
    return this.#deliver(header[4]!, payload, 0, size) ? at + taken : -1;
  }

  #deliver(flags: number, buffer: Buffer, start: number, end: number): boolean {
    this.#headerHave = 0;
    this.#payload = none;
    return this.#sink.frame(this.#header[3]!, flags, streamOf(this.#header, 0), buffer, start, end);
  }

  /** Hands on what has come of a DATA frame; what is to come is then a frame of its own. */
  #handOnPart(chunk: Buffer, at: number, size: number): boolean {
    const header = this.#header;
    const bytes = chunk.length - at;
    if (bytes < partFrom || header[3] !== FrameType.DATA || (header[4]! & Flag.PADDED) !== 0) return false;
    if (!this.#deliver(header[4]! & ~Flag.END_STREAM, chunk, at, chunk.length)) return true;
    header.writeUIntBE(size - bytes, 0, 3);
    this.#headerHave = frameHeaderSize;
    return true;
  }

  #oversized(buffer: Buffer, at: number, size: number): void {
    this.#headerHave = 0;
    this.#sink.oversized(buffer[at + 3]!, streamOf(buffer, at), size);
  }
}

const sizeOf = (buffer: Buffer, at: number): number =>
  (buffer[at]! << 16) | (buffer[at + 1]! << 8) | buffer[at + 2]!;

const streamOf = (buffer: Buffer, at: number): number =>
  ((buffer[at + 5]! & 0x7f) << 24) | (buffer[at + 6]! << 16) | (buffer[at + 7]! << 8) | buffer[at + 8]!;

import { FrameType, frameHeaderSize } from './frames.ts';

/** Who takes frames, whole. */
export interface FrameSink {
  /** A frame whose payload is `buffer[start, end)`. False: read no more of this chunk, the connection is over. */
  frame(type: number, flags: number, stream: number, buffer: Buffer, start: number, end: number): boolean;
  /** A frame announced more octets than we accept. */
  oversized(type: number, stream: number, length: number): void;
}

const none: Buffer = Buffer.alloc(0);

/**
 * FrameReader finds frames in the chunks that a socket gives, in place. Only the frame that straddles two chunks is
 * copied, into a buffer of exactly its size: no more than one frame is ever held.
 */
export class FrameReader {
  /** Frames found so far. */
  frames = 0;
  readonly #sink: FrameSink;
  readonly #largest: number;
  /** The beginning of a frame whose end has not come: its header, then header and payload. */
  #rest: Buffer = none;
  #have = 0;
  #begunAt = 0;
  readonly #headerRest: Buffer = Buffer.alloc(frameHeaderSize);

  constructor(sink: FrameSink, largestFrame: number) {
    this.#sink = sink;
    this.#largest = largestFrame;
  }

  /** Milliseconds that the beginning of a frame has waited for its end; 0: none waits. */
  waited(now: number): number {
    return this.#have > 0 ? now - this.#begunAt : 0;
  }

  /** The frame that waits is DATA. */
  get inData(): boolean {
    return this.#have >= frameHeaderSize && this.#headerRest[3] === FrameType.DATA;
  }

  /** Reads all whole frames of `chunk[at, ...)`, which came at `now`. */
  push(chunk: Buffer, at: number, now: number): void {
    if (this.#have > 0) {
      at = this.#complete(chunk, at);
      if (at < 0) return;
    }
    const length = chunk.length;
    while (length - at >= frameHeaderSize) {
      const size = (chunk[at]! << 16) | (chunk[at + 1]! << 8) | chunk[at + 2]!;
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
    this.#keep(chunk, at);
  }

  /** Finishes the frame begun in an earlier chunk; answers where the next begins, or -1 to stop. */
  #complete(chunk: Buffer, at: number): number {
    if (this.#have < frameHeaderSize) {
      const taken = chunk.copy(this.#headerRest, this.#have, at, at + frameHeaderSize - this.#have);
      this.#have += taken;
      at += taken;
      if (this.#have < frameHeaderSize) return -1;
      if (!this.#allocate()) return -1;
    }
    const rest = this.#rest;
    const taken = chunk.copy(rest, this.#have, at, at + rest.length - this.#have);
    this.#have += taken;
    if (this.#have < rest.length) return -1;
    this.#have = 0;
    this.#rest = none;
    const alive = this.#sink.frame(rest[3]!, rest[4]!, streamOf(rest, 0), rest, frameHeaderSize, rest.length);
    return alive ? at + taken : -1;
  }

  #keep(chunk: Buffer, at: number): void {
    this.#have = chunk.copy(this.#headerRest, 0, at, Math.min(chunk.length, at + frameHeaderSize));
    if (this.#have < frameHeaderSize || !this.#allocate()) return;
    this.#have += chunk.copy(this.#rest, this.#have, at + frameHeaderSize);
  }

  #allocate(): boolean {
    const header = this.#headerRest;
    const size = (header[0]! << 16) | (header[1]! << 8) | header[2]!;
    if (size > this.#largest) {
      this.#oversized(header, 0, size);
      return false;
    }
    this.#rest = Buffer.allocUnsafe(frameHeaderSize + size);
    header.copy(this.#rest, 0);
    return true;
  }

  #oversized(buffer: Buffer, at: number, size: number): void {
    this.#have = 0;
    this.#sink.oversized(buffer[at + 3]!, streamOf(buffer, at), size);
  }
}

const streamOf = (buffer: Buffer, at: number): number =>
  ((buffer[at + 5]! & 0x7f) << 24) | (buffer[at + 6]! << 16) | (buffer[at + 7]! << 8) | buffer[at + 8]!;

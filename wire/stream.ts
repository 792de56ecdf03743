import type { Connection } from './connection.ts';
import { breakOff } from './faults.ts';
import { ErrorCode, FrameType, largestWindow } from './frames.ts';
import type { Holder } from './loop.ts';
import { MessageFollower } from './message-follower.ts';
import { PieceQueue } from './piece-queue.ts';
import type { Abort, StreamListener } from './stream-listener.ts';

/** Octets that one blocked stream sends before the next has its turn. */
const turnBytes = 16_384;

/** A window grows when it was used up faster than this. */
const fastMs = 100;

/**
 * Stream is one exchange of a connection: its state (RFC 9113 section 5.1), its windows both ways and its queue.
 *
 * What is written to a closed stream goes nowhere. A server's stream keeps its place among the concurrent ones until
 * `release()`, so that a peer cannot start work faster than it stops.
 */
export class Stream implements Holder {
  readonly id: number;
  readonly connection: Connection;
  listener: StreamListener;
  /** Monotonic milliseconds. */
  readonly openedAt: number;
  /** We sent END_STREAM, or will behind what is queued. */
  localEnded = false;
  /** The peer sent END_STREAM. */
  remoteEnded = false;
  /** Over in both directions, or reset. */
  closed = false;
  /** Our first header block has been written. */
  headersSent = false;
  /** The peer's final header block has come (client). */
  headersReceived = false;
  sendWindow: number;
  receiveWindow: number;
  /** content-length that the peer announced, or -1, and what came. */
  declared = -1;
  received = 0;
  follower: MessageFollower | null;
  /** Stands in the connection's ring of blocked streams. */
  inRing = false;

  #queue: PieceQueue | null = null;
  /** When octets last left the queue, or began to wait in it; monotonic milliseconds. */
  movedAt = 0;
  #trailers: readonly string[] | null = null;
  #trailersNever: readonly string[] | null = null;
  #endQueued = false;
  #released: boolean;
  #windowSize: number;
  #unacked = 0;
  #creditedAt = 0;

  constructor(
    connection: Connection,
    id: number,
    listener: StreamListener,
    openedAt: number,
    remote: boolean,
  ) {
    this.connection = connection;
    this.id = id;
    this.listener = listener;
    this.openedAt = openedAt;
    this.sendWindow = connection.peer.initialWindow;
    this.receiveWindow = connection.limits.streamWindow;
    this.#windowSize = connection.limits.streamWindow;
    this.follower = connection.followsMessages ? new MessageFollower() : null;
    this.#released = !remote;
  }

  /** Sends a header block: a response's head, or a request's. `last`: half-closes with it. */
  headers(fields: readonly string[], never: readonly string[] | null, last: boolean): void {
    if (this.closed || this.localEnded) return;
    this.headersSent = true;
    this.connection.output.headers(this.id, fields, never, last);
    if (last) this.#endLocal();
  }

  /** Sends trailers behind all DATA, and half-closes. */
  trailers(fields: readonly string[], never: readonly string[] | null = null): void {
    if (this.closed || this.localEnded) return;
    this.localEnded = true;
    if (this.#queue !== null) {
      this.#trailers = fields;
      this.#trailersNever = never;
      return;
    }
    this.connection.output.headers(this.id, fields, never, true);
    this.#closeIfOver();
  }

  /** Sends `chunk[start, end)`, or queues a copy of what the windows do not let through. */
  write(chunk: Uint8Array, start: number, end: number): void {
    if (this.closed || this.localEnded || start >= end) return;
    const bytes = this.#queue === null ? this.connection.sending.passes(this, end - start) : 0;
    if (bytes > 0) this.#send(chunk, start, start + bytes);
    // The rest is queued before the listener hears: what it writes then must stand behind.
    if (start + bytes < end) this.#enqueue(chunk, start + bytes, end);
    if (bytes > 0 && !this.closed) this.listener.sent(bytes);
  }

  /** Half-closes behind what was written. */
  end(): void {
    if (this.closed || this.localEnded) return;
    this.localEnded = true;
    if (this.#queue !== null) this.#endQueued = true;
    else {
      this.connection.output.end(this.id);
      this.#closeIfOver();
    }
  }

  /** Sends RST_STREAM and forgets the stream; the listener hears nothing more. */
  reset(code: number): void {
    if (this.closed) return;
    this.connection.output.words(FrameType.RST_STREAM, 0, this.id, code);
    this.#remember();
    this.close();
  }

  /** The listener is done with `bytes`: the peer may send as many more. Grows the window of a reader that keeps up. */
  credit(bytes: number): void {
    if (this.closed || this.remoteEnded) return;
    this.#unacked += bytes;
    if (this.#unacked * 2 < this.#windowSize) return;
    const { connection } = this;
    let increment = this.#unacked;
    if (connection.readAt - this.#creditedAt < fastMs && this.#mayGrow()) {
      increment += this.#windowSize;
      this.#windowSize *= 2;
    }
    this.#creditedAt = connection.readAt;
    this.#unacked = 0;
    // While the window was shut the peer could not go on: its message's time begins anew.
    if (this.receiveWindow <= 0 && this.follower !== null && this.follower.begunAt !== 0)
      this.follower.begunAt = connection.loop.now();
    this.receiveWindow += increment;
    connection.output.words(FrameType.WINDOW_UPDATE, 0, this.id, increment);
  }

  /** What the peer sends on this stream is no gRPC: its octets are not followed. */
  ignoreMessages(): void {
    this.follower = null;
  }

  /** The work for this stream has stopped: its place is free once it is closed. Safe to call again. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    if (this.closed) this.connection.places--;
  }

  // What follows is the engine's own.

  /** WINDOW_UPDATE came. False: the window overflows. */
  open(increment: number): boolean {
    this.sendWindow += increment;
    if (this.sendWindow > largestWindow) return false;
    if (this.#queue !== null && this.sendWindow > 0) this.connection.sending.block(this);
    return true;
  }

  /** Sends a turn's worth of the queue. Answers false when nothing could go. */
  pump(): boolean {
    const queue = this.#queue;
    if (queue === null) return false;
    let turn = turnBytes;
    while (turn > 0 && queue.bytes > 0 && this.#queue === queue) {
      const piece = queue.first;
      const bytes = this.connection.sending.passes(this, Math.min(piece.length, turn));
      if (bytes === 0) return turn < turnBytes;
      turn -= bytes;
      this.connection.loop.held -= bytes;
      this.#send(piece, 0, bytes);
      queue.take(bytes);
      this.listener.sent(bytes);
      if (this.closed) return true;
    }
    if (queue.bytes === 0 && this.#queue === queue) this.#drained();
    return true;
  }

  /** Octets that wait. */
  get queued(): number {
    return this.#queue === null ? 0 : this.#queue.bytes;
  }

  /** Whether anything waits for a window. */
  get waits(): boolean {
    return this.#queue !== null;
  }

  /** The peer half-closed. */
  endRemote(): void {
    this.remoteEnded = true;
    // The answer is over: what of the request still waits for a window is needed by nobody.
    if (this.#queue !== null && this.connection.role === 'client') this.reset(ErrorCode.NO_ERROR);
    else this.#closeIfOver();
  }

  /** Takes the stream out of the connection; what was queued is dropped. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.dropQueue();
    this.connection.forget(this);
    if (this.#released && this.connection.role === 'server') this.connection.places--;
  }

  /** Closes, and tells the listener why. */
  abort(abort: Abort): void {
    if (this.closed) return;
    this.close();
    this.listener.aborted(abort);
  }

  /** Ends the stream that holds too much of what waits in this process. */
  shed(): void {
    const why = 'its reader is too slow and memory for waiting bytes is spent';
    breakOff(this, ErrorCode.ENHANCE_YOUR_CALM, why, 'held');
  }

  /** Forgets what waits for a window, and the end behind it. */
  dropQueue(): void {
    if (this.#queue === null) return;
    this.connection.loop.held -= this.#queue.bytes;
    this.#queue.clear();
    this.#queue = null;
    this.#trailers = null;
    this.#endQueued = false;
    this.localEnded = false;
  }

  /** Frames may be under way to a stream that we reset: they must be known for what they are. */
  #remember(): void {
    const { role, limits, peer, ids } = this.connection;
    ids.rememberReset(this.id, (role === 'server' ? limits : peer).concurrentStreams);
  }

  /** Whether the receive window may double. */
  #mayGrow(): boolean {
    const { limits, loop } = this.connection;
    return this.#windowSize * 2 <= limits.largestStreamWindow && loop.held * 2 < loop.heldLimit;
  }

  #send(chunk: Uint8Array, start: number, end: number): void {
    const bytes = end - start;
    if (this.#queue !== null) this.movedAt = this.connection.loop.now();
    this.sendWindow -= bytes;
    this.connection.sending.window -= bytes;
    this.connection.floods.dataSent++;
    this.connection.floods.octetsSent += bytes;
    this.connection.output.data(this.id, chunk, start, end);
  }

  #enqueue(chunk: Uint8Array, start: number, end: number): void {
    const { loop, sending } = this.connection;
    if (this.#queue === null) {
      this.#queue = new PieceQueue(loop.blocks);
      this.movedAt = loop.now();
    }
    this.#queue.push(chunk, start, end);
    loop.held += end - start;
    sending.block(this);
    if (loop.held > loop.heldLimit) loop.relieve();
  }

  #drained(): void {
    this.#queue = null;
    const trailers = this.#trailers;
    if (trailers !== null) {
      this.#trailers = null;
      this.connection.output.headers(this.id, trailers, this.#trailersNever, true);
      this.#closeIfOver();
    } else if (this.#endQueued) {
      this.connection.output.end(this.id);
      this.#closeIfOver();
    }
  }

  #endLocal(): void {
    this.localEnded = true;
    this.#closeIfOver();
  }

  #closeIfOver(): void {
    if (!this.localEnded || this.#queue !== null) return;
    if (this.remoteEnded) this.close();
    // A server that has answered in full needs no more of the request (RFC 9113 section 8.1).
    else if (this.connection.role === 'server') this.reset(ErrorCode.NO_ERROR);
  }
}

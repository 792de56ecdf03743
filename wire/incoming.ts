import type { Connection } from './connection.ts';
import type { Dispatch } from './dispatch.ts';
import { isDue } from './due.ts';
import { FrameReader } from './frame-reader.ts';
import { defaultFrameSize, ErrorCode } from './frames.ts';
import { Preamble } from './preamble.ts';

/** Octets read before other connections have their turn. */
const octetsPerTurn = 256 * 1024;
/** What a frame counts for beside its octets: the smallest cost as much time as much larger ones. */
const frameWeight = 48;
/** Octets read from a peer that was told that the connection is over: who pours on does not wait for our last words. */
const lingerBytes = 1024 * 1024;

/** Incoming takes the chunks that a socket gives: the preface first, then frames. */
export class Incoming {
  readonly #connection: Connection;
  readonly #reader: FrameReader;
  /** What to answer to HTTP/1.1, if anything. */
  readonly #http1Answer: ((begun: Buffer) => Buffer) | null;
  /** Server, until the preface has come. */
  #preamble: Preamble | null;
  #inTurn = 0;
  #framesCounted = 0;
  #discarded = 0;

  constructor(connection: Connection, dispatch: Dispatch, http1Answer: ((begun: Buffer) => Buffer) | null) {
    this.#connection = connection;
    this.#http1Answer = http1Answer;
    this.#reader = new FrameReader(dispatch, defaultFrameSize);
    this.#preamble = connection.role === 'server' ? new Preamble() : null;
  }

  /** Reads one chunk that came at `now`. */
  read(chunk: Buffer, now: number): void {
    this.#inTurn += chunk.length + frameWeight * (this.#reader.frames - this.#framesCounted);
    this.#framesCounted = this.#reader.frames;
    if (this.#inTurn > octetsPerTurn) this.#yield();
    if (this.#preamble === null) this.#reader.push(chunk, 0, now);
    else this.#readPreface(this.#preamble, chunk, now);
  }

  /** Lets go of a chunk that came when the connection was over: it is nobody's. */
  discard(chunk: Buffer): void {
    this.#discarded += chunk.length;
    if (this.#discarded > lingerBytes) this.#connection.socket.destroy();
  }

  /** Whether a frame has been begun and not completed for too long. */
  overdue(now: number): boolean {
    const { messageMs, headersMs } = this.#connection.limits;
    return isDue(this.#reader.waited(now), this.#reader.inData ? messageMs : headersMs);
  }

  #readPreface(preamble: Preamble, chunk: Buffer, now: number): void {
    const connection = this.#connection;
    switch (preamble.read(chunk)) {
      case 'partial':
        return;
      case 'http2':
        this.#preamble = null;
        if (this.#http1Answer !== null) connection.greet();
        return this.#reader.push(chunk, preamble.taken, now);
      case 'http1':
        if (this.#http1Answer === null) break;
        connection.output.raw(this.#http1Answer(chunk));
        return connection.end('the peer speaks HTTP/1.1');
    }
    connection.fail(ErrorCode.PROTOCOL_ERROR, 'this is not an HTTP/2 preface');
  }

  /** Lets the other connections read before this one goes on. */
  #yield(): void {
    const { socket } = this.#connection;
    if (socket.isPaused()) return;
    socket.pause();
    setImmediate(() => {
      this.#inTurn = 0;
      if (!socket.destroyed) socket.resume();
    });
  }
}

import {
  type Abort,
  type Carrier,
  ErrorCode,
  errorName,
  PieceQueue,
  type StreamEnd,
  type StreamListener,
} from '../../wire/index.ts';
import type { Delivering, Turns } from './turns.ts';

/** What an end needs of what carries it. */
export interface EndHome extends Carrier {
  readonly turns: Turns;
  /** Answers who hears of a stream that was opened. */
  accept(stream: StreamEnd, fields: readonly string[]): StreamListener;
  /** The end that opened the stream is closed. */
  closed(stream: InProcessEnd): void;
}

/** Octets that one end may send before the other credits them: the first window of a socket's stream. */
const windowBytes = 65_535;
/** Octets that count as much as one delivery. */
const weightBytes = 4096;

/** What comes with an end's turn, in order. */
type Arrival =
  | { readonly what: 'opened'; readonly fields: readonly string[] }
  | {
      readonly what: 'fields';
      readonly fields: string[];
      readonly never: string[] | null;
      readonly last: boolean;
    }
  | { readonly what: 'octets'; readonly octets: Buffer }
  | { readonly what: 'end' }
  | { readonly what: 'abort'; readonly abort: Abort };

const end: Arrival = { what: 'end' };
const noOctets = Buffer.alloc(0);
/** Hears of a stream until it is known who does. */
export const nobody: StreamListener = { headers() {}, data() {}, sent() {}, aborted() {} };

/** InProcessEnd is one end of a stream in memory: what is written to it comes to the other end with that one's next turn. */
export class InProcessEnd implements StreamEnd, Delivering {
  readonly connection: EndHome;
  readonly openedAt: number;
  localEnded = false;
  other!: InProcessEnd;
  /** The end that opened the stream; the other answers. */
  readonly #isNear: boolean;
  #listener: StreamListener;
  #window = windowBytes;
  #owed = 0;
  #waiting: PieceQueue | null = null;
  /** What follows behind what waits. */
  #behind: Arrival | null = null;
  #come: Arrival[] = [];
  #remoteEnded = false;
  #closed = false;

  constructor(connection: EndHome, listener: StreamListener, openedAt: number, isNear: boolean) {
    this.connection = connection;
    this.#listener = listener;
    this.openedAt = openedAt;
    this.#isNear = isNear;
  }

  headers(fields: readonly string[], never: readonly string[] | null, last: boolean): void {
    if (this.#closed || this.localEnded) return;
    this.other.arrive(fieldsOf(fields, never, last));
    if (last) this.#endLocal();
  }

  trailers(fields: readonly string[], never: readonly string[] | null = null): void {
    this.#last(fieldsOf(fields, never, true));
  }

  end(): void {
    this.#last(end);
  }

  write(chunk: Uint8Array, start: number, stop: number): void {
    if (this.#closed || this.localEnded || start >= stop) return;
    const bytes = this.#waiting === null ? Math.min(this.#window, stop - start) : 0;
    if (bytes > 0) this.#send(chunk, start, start + bytes);
    if (start + bytes < stop) {
      this.#waiting ??= new PieceQueue(this.connection.loop.blocks);
      this.#waiting.push(chunk, start + bytes, stop);
    }
    if (bytes > 0) this.#listener.sent(bytes);
  }

  reset(code: number): void {
    if (this.#closed) return;
    this.#close();
    const message = `the other side reset the call (${errorName(code)})`;
    const reached = code !== ErrorCode.REFUSED_STREAM;
    this.other.arrive({ what: 'abort', abort: { code, by: 'peer', reached, message } });
  }

  credit(bytes: number): void {
    if (this.#closed || this.#remoteEnded) return;
    this.#owed += bytes;
    if (this.#owed * 2 < windowBytes) return;
    const owed = this.#owed;
    this.#owed = 0;
    this.other.widen(owed);
  }

  ignoreMessages(): void {}
  release(): void {}

  // What follows is for the other end and the carrier.

  /** Something comes from the other end. */
  arrive(arrival: Arrival): void {
    if (this.#closed) return;
    if (this.#come.push(arrival) === 1) this.connection.turns.add(this);
  }

  deliver(): number {
    let weight = 0;
    // What comes while this is delivered has another turn, so that it is weighed.
    const come = this.#come;
    this.#come = [];
    for (const arrival of come) {
      if (this.#closed) break;
      weight += 1 + this.#hear(arrival);
    }
    return weight;
  }

  /** The other end has taken octets: as many more may go. */
  widen(bytes: number): void {
    this.#window += bytes;
    const waiting = this.#waiting;
    if (waiting === null) return;
    while (waiting.bytes > 0 && this.#window > 0 && this.#waiting === waiting) {
      const piece = waiting.first;
      const passes = Math.min(piece.length, this.#window);
      this.#send(piece, 0, passes);
      waiting.take(passes);
      this.#listener.sent(passes);
    }
    if (waiting.bytes > 0 || this.#waiting !== waiting) return;
    this.#waiting = null;
    const behind = this.#behind;
    if (behind === null) return;
    this.#behind = null;
    this.other.arrive(behind);
    this.#closeIfOver();
  }

  /** The carrier is broken: both ends hear of it. */
  break(abort: Abort): void {
    if (this.#closed) return;
    const { other } = this;
    this.#abort(abort);
    if (!other.#closed) other.arrive({ what: 'abort', abort });
  }

  /** Answers what the arrival weighs. */
  #hear(arrival: Arrival): number {
    switch (arrival.what) {
      case 'opened':
        this.#listener = this.connection.accept(this, arrival.fields);
        return 0;
      case 'fields':
        if (arrival.last) this.#endRemote();
        this.#listener.headers(arrival.fields, arrival.never, arrival.last);
        return 0;
      case 'octets': {
        const { octets } = arrival;
        this.#listener.data(octets, 0, octets.length, false);
        return octets.length / weightBytes;
      }
      case 'end':
        this.#endRemote();
        this.#listener.data(noOctets, 0, 0, true);
        return 0;
      case 'abort':
        this.#abort(arrival.abort);
        return 0;
    }
  }

  #send(chunk: Uint8Array, start: number, stop: number): void {
    this.#window -= stop - start;
    // A copy: whoever wrote it may use its memory again.
    const octets = Buffer.allocUnsafe(stop - start);
    octets.set(start === 0 && stop === chunk.length ? chunk : chunk.subarray(start, stop));
    this.other.arrive({ what: 'octets', octets });
  }

  /** Half-closes with `arrival`, behind what waits. */
  #last(arrival: Arrival): void {
    if (this.#closed || this.localEnded) return;
    if (this.#waiting !== null) {
      this.#behind = arrival;
      this.localEnded = true;
      return;
    }
    this.other.arrive(arrival);
    this.#endLocal();
  }

  #endLocal(): void {
    this.localEnded = true;
    this.#closeIfOver();
  }

  #endRemote(): void {
    this.#remoteEnded = true;
    this.#closeIfOver();
  }

  /** Over in both directions; whoever has answered in full needs no more of the request (RFC 9113 section 8.1). */
  #closeIfOver(): void {
    if (!this.localEnded || this.#waiting !== null) return;
    if (this.#remoteEnded || !this.#isNear) this.#close();
  }

  #abort(abort: Abort): void {
    if (this.#closed) return;
    this.#close();
    this.#listener.aborted(abort);
  }

  #close(): void {
    this.#closed = true;
    this.#waiting?.clear();
    this.#waiting = null;
    this.#come = [];
    if (this.#isNear) this.connection.closed(this);
  }
}

const fieldsOf = (fields: readonly string[], never: readonly string[] | null, last: boolean): Arrival => ({
  what: 'fields',
  // Not copied: whoever sends fields does not write to them again.
  fields: fields as string[],
  never: never as string[] | null,
  last,
});

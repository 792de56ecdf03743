import type { StreamEnd } from '../../wire/index.ts';
import type { Body, BodySink } from '../core/body.ts';
import type { Recording } from './recording.ts';

/**
 * CallerBody is the request of one call: it comes from the caller's stream, and goes to one attempt after another.
 *
 * Until commit it is recorded, and the caller's credit follows the recording; what is not recorded is credited as
 * it leaves for the peer. What comes while no attempt is attached waits here: without credit it cannot be more than
 * the stream's window.
 */
export class CallerBody implements Body {
  ended = false;
  readonly #stream: StreamEnd;
  #recording: Recording | null;
  #sink: BodySink | null = null;
  /** Came while nobody was attached, and is not in the recording. */
  #waiting: Buffer[] = [];
  #over = false;
  #replayable: boolean;
  #recorded = 0;
  #sent = 0;
  #credited = 0;

  /** `recording` is null where no attempt will follow another. */
  constructor(stream: StreamEnd, recording: Recording | null) {
    this.#stream = stream;
    this.#recording = recording;
    this.#replayable = true;
  }

  get replayable(): boolean {
    return this.#replayable;
  }

  /** Bytes from the caller. */
  data(chunk: Buffer, start: number, end: number): void {
    if (this.#over || start === end) return;
    // Behind what was not recorded nothing is, so that the order holds.
    if (this.#replayable && this.#recording?.add(chunk, start, end) === true) {
      this.#recorded += end - start;
      this.#credit(this.#recorded);
      this.#sink?.write(chunk, start, end);
      return;
    }
    this.#replayable = false;
    if (this.#sink !== null) {
      this.#freeRecording();
      this.#sink.write(chunk, start, end);
    } else this.#waiting.push(Buffer.from(chunk.subarray(start, end)));
  }

  /** The caller half-closed. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.#sink?.end();
  }

  attach(sink: BodySink): void {
    this.#sink = sink;
    this.#sent = 0;
    this.#recording?.replay((piece) => sink.write(piece, 0, piece.length));
    const waiting = this.#waiting;
    if (waiting.length > 0) {
      this.#waiting = [];
      this.#replayable = false;
      for (const piece of waiting) sink.write(piece, 0, piece.length);
    }
    if (!this.#replayable) this.#freeRecording();
    if (this.ended) sink.end();
  }

  detach(sink: BodySink): void {
    if (this.#sink === sink) this.#sink = null;
  }

  taken(sink: BodySink, bytes: number): void {
    if (sink !== this.#sink && this.#sink !== null) return;
    this.#sent += bytes;
    this.#credit(this.#sent);
  }

  branch(): Body | null {
    return this.ended && this.#replayable && !this.#over ? new Branch(this, this.#recording) : null;
  }

  commit(): void {
    this.#replayable = false;
    this.#freeRecording();
  }

  /** The call is over: nothing is kept, what still comes is dropped. */
  close(): void {
    this.#over = true;
    this.#sink = null;
    this.#waiting = [];
    this.commit();
  }

  #credit(upTo: number): void {
    if (upTo <= this.#credited) return;
    this.#stream.credit(upTo - this.#credited);
    this.#credited = upTo;
  }

  #freeRecording(): void {
    this.#recording?.free();
    this.#recording = null;
  }
}

/**
 * Branch is a request that has wholly come, once more, for an attempt beside another. What it sends was credited to the
 * caller when it was recorded, and is freed with the recording.
 */
class Branch implements Body {
  readonly ended = true;
  readonly #body: CallerBody;
  readonly #recording: Recording | null;

  /** `recording` is null for a request without a byte. */
  constructor(body: CallerBody, recording: Recording | null) {
    this.#body = body;
    this.#recording = recording;
  }

  get replayable(): boolean {
    return this.#body.replayable;
  }

  attach(sink: BodySink): void {
    this.#recording?.replay((piece) => sink.write(piece, 0, piece.length));
    sink.end();
  }

  detach(): void {}
  taken(): void {}

  branch(): Body | null {
    return this.#body.branch();
  }

  commit(): void {
    this.#body.commit();
  }
}

import type { Abort, Opener, StreamEnd, StreamListener } from '../../wire/index.ts';
import { ErrorCode, PieceQueue } from '../../wire/index.ts';
import type { BodySink } from '../core/body.ts';
import type { Attempt, Call } from '../core/call.ts';
import { decodeMessage } from '../core/grpc-message.ts';
import type { Waiter } from '../core/life.ts';
import type { Policy } from '../core/policy.ts';
import type { Fields, Reply, ReplySink } from '../core/reply.ts';
import { pushbackName, pushbackOf } from '../core/retry-pushback.ts';
import { isOurs } from '../core/spoken-for.ts';
import { Code, ok, type Status } from '../core/status.ts';
import { previousAttempts } from './request-fields.ts';
import { codeOfHttp, statusOfAbort } from './status-mapping.ts';

/** What a peer stream needs to know of its link. */
export interface Peer {
  readonly connection: Opener;
  /** For messages: `10.0.0.7:15002`. */
  readonly where: string;
  /** The peer is a verified sidecar: what it says of `reached` is believed, and passed on. */
  readonly trusted: boolean;
  /** An attempt has ended. */
  done(): void;
  /** The peer reset a stream. */
  wasReset(): void;
}

/**
 * Octets of a reply that are held back at most. Below the smallest window that a peer is given (65,535), so that holding
 * stops nobody.
 */
const mostHeld = 16_384;

/**
 * PeerStream is one attempt on one stream: it takes the request's bytes, and is the reply as soon as that begins.
 *
 * A reply of one message to a call that may be made again begins when it is whole, or too long to be held: one that
 * breaks off before that can still be followed by another attempt.
 */
export class PeerStream implements StreamListener, BodySink, Reply, Waiter {
  head: Fields | null = null;
  never: readonly string[] | null = null;
  over: Status | null = null;
  trailers: Fields = noFields;
  readonly status: Promise<Status>;
  /** Resolves when the reply begins. */
  readonly begun: Promise<Reply>;
  readonly #attempt: Attempt;
  readonly #peer: Peer;
  readonly #stream: StreamEnd;
  #sink: ReplySink | null = null;
  /** What of the reply came before anybody was attached. */
  #early: PieceQueue | null = null;
  #trailersNever: readonly string[] | null = null;
  #settle: (status: Status) => void = nothing;
  #begin: ((reply: Reply) => void) | null = null;

  constructor(attempt: Attempt, peer: Peer, fields: readonly string[]) {
    this.#attempt = attempt;
    this.#peer = peer;
    this.status = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.begun = new Promise((resolve) => {
      this.#begin = resolve;
    });
    this.#stream = peer.connection.open(fields, attempt.call.arrival.never, false, this);
    attempt.call.life.wait(this);
    if (this.over === null) attempt.call.body.attach(this);
  }

  get doing(): string {
    return `at ${this.#peer.where}`;
  }

  get call(): Call {
    return this.#attempt.call;
  }

  get reached(): boolean {
    return true;
  }

  get tells(): boolean {
    return this.#peer.trusted;
  }

  // The request's bytes.

  write(chunk: Uint8Array, start: number, end: number): void {
    this.#stream.write(chunk, start, end);
  }

  /** The caller half-closed. The reply goes on: it ends by `finish`. */
  end(): void {
    this.#stream.end();
  }

  sent(bytes: number): void {
    this.#attempt.call.body.taken(this, bytes);
  }

  // The reply, as the peer sends it.

  headers(fields: string[], never: string[] | null, last: boolean): void {
    if (this.head === null && fields[0] === ':status') {
      if (fields[1] !== '200') return this.#notGrpc(fields[1]!);
      if (last) return this.#finish(this.#statusOf(fields), this.#passed(fields, 2), never);
      this.never = never;
      const { previous } = this.#attempt;
      this.head = previous === 0 ? fields.slice(2) : numbered(fields, previous);
      if (!isHeld(this.#attempt.call.policy)) this.#handOver();
    } else this.#finish(this.#statusOf(fields), this.#passed(fields, 0), never);
  }

  data(chunk: Buffer, start: number, end: number, last: boolean): void {
    if (this.#sink !== null) this.#sink.relay(chunk, start, end);
    else if (this.over === null) {
      this.#early ??= new PieceQueue(this.#stream.connection.loop.blocks);
      this.#early.push(chunk, start, end);
      if (this.#early.bytes > mostHeld) this.#handOver();
    }
    if (last)
      this.#finish(
        { code: Code.UNKNOWN, message: 'the peer ended without a status', from: 'wire', reached: true },
        [],
      );
  }

  aborted(abort: Abort): void {
    if (abort.by === 'peer') this.#peer.wasReset();
    const { where, connection } = this.#peer;
    this.#finish(statusOfAbort(abort, where, connection.readAt >= this.#attempt.call.deadlineAt - 1), []);
  }

  // The reply, as the stack sees it.

  attach(sink: ReplySink): void {
    const early = this.#early;
    if (early !== null) this.#relayEarly(early, sink);
    if (this.over !== null) sink.finish(this.over, this.trailers, this.#trailersNever);
    else this.#sink = sink;
  }

  taken(bytes: number): void {
    this.#stream.credit(bytes);
  }

  discard(): void {
    this.#sink = null;
    this.#early?.clear();
    this.#early = null;
    if (this.over !== null) return;
    this.#stream.reset(ErrorCode.CANCEL);
    this.#finish(
      { code: Code.CANCELLED, message: 'nobody reads the reply', from: 'mesh', reached: true },
      [],
    );
  }

  /** The call was cancelled from above. */
  cancelled(status: Status): void {
    if (this.over !== null) return;
    this.#stream.reset(ErrorCode.CANCEL);
    this.#finish(status, []);
  }

  #notGrpc(status: string): void {
    const code = codeOfHttp(status);
    this.#stream.reset(ErrorCode.CANCEL);
    const message = `${this.#peer.where} answered with HTTP status ${status}, not gRPC`;
    this.#finish({ code, message, from: 'wire', reached: true }, []);
  }

  #statusOf(fields: readonly string[]): Status {
    let code = '';
    let message = '';
    let reached = true;
    let pushbackMs = 0;
    let isBroken = false;
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i]!;
      if (name === 'grpc-status') code = fields[i + 1]!;
      else if (name === 'grpc-message') message = fields[i + 1]!;
      else if (name === pushbackName) pushbackMs = pushbackOf(fields[i + 1]!);
      else if (name === 'x-outrigger-reached' && this.#peer.trusted) reached = fields[i + 1] !== 'false';
      else if (name === 'x-outrigger-from' && this.#peer.trusted) isBroken = fields[i + 1] === 'wire';
    }
    if (code === '0' && message === '') return ok;
    const number = /^[0-9]{1,5}$/.test(code) ? Number(code) : Code.UNKNOWN;
    if (code === '') message = 'the peer ended without a status';
    const status: Status = { code: number, message: decodeMessage(message), from: 'peer', reached };
    if (pushbackMs > 0) return { ...status, pushbackMs };
    return isBroken ? { ...status, isBroken } : status;
  }

  /** The peer's trailers from `start`, as they came, but for words of ours that it may not say. */
  #passed(fields: string[], start: number): Fields {
    let clean = start === 0;
    for (let i = start; i < fields.length && clean; i += 2) clean = !isOurs(fields[i]!);
    if (clean) return fields;
    const passed: string[] = [];
    for (let i = start; i < fields.length; i += 2)
      if (!isOurs(fields[i]!) || (this.#peer.trusted && mayPass(fields[i]!)))
        passed.push(fields[i]!, fields[i + 1]!);
    return passed;
  }

  #relayEarly(early: PieceQueue, sink: ReplySink): void {
    while (early.bytes > 0) {
      const piece = early.first;
      sink.relay(piece, 0, piece.length);
      // A sink that was cut off while it took this discards the reply, and the queue with it.
      if (this.#early !== early) return;
      early.take(piece.length);
    }
    this.#early = null;
  }

  #handOver(): void {
    const begin = this.#begin;
    this.#begin = null;
    begin?.(this);
  }

  #finish(status: Status, trailers: Fields, never: readonly string[] | null = null): void {
    if (this.over !== null) return;
    this.over = status;
    this.trailers = trailers;
    this.#trailersNever = never;
    const { call } = this.#attempt;
    call.life.leave(this);
    call.body.detach(this);
    // An answer before the request's end: the peer needs no more of it (RFC 9113 section 8.1).
    if (!this.#stream.localEnded) this.#stream.reset(ErrorCode.NO_ERROR);
    this.#settle(status);
    const sink = this.#sink;
    this.#sink = null;
    sink?.finish(status, trailers, never);
    this.#handOver();
    this.#peer.done();
  }
}

const isHeld = ({ unary, idempotent, retry, hedge }: Policy): boolean =>
  unary && idempotent && (retry.attempts > 1 || hedge.after !== null);

/** The head of a reply that was not the first try's: the caller learns how many went before. Ref: gRFC A6. */
const numbered = (fields: readonly string[], previous: number): Fields => {
  const head: string[] = [];
  for (let i = 2; i < fields.length; i += 2)
    if (fields[i] !== previousAttempts) head.push(fields[i]!, fields[i + 1]!);
  head.push(previousAttempts, String(previous));
  return head;
};

/** What a verified sidecar may say in trailers, and pass to the app. */
const mayPass = (name: string): boolean =>
  name === 'x-outrigger-reached' ||
  name === 'x-outrigger-from' ||
  name === 'x-outrigger-ledger' ||
  name === 'x-outrigger-fault';

const nothing = (): void => {};
const noFields: Fields = [];

import type { Status } from './status.ts';

/** Flat list of header fields: name, value, name, value. Names are lower case. */
export type Fields = readonly string[];

/** Where a reply's bytes go; the listener that holds the caller's stream. */
export interface ReplySink {
  /** Takes `chunk[start, end)`; returns credit by `Reply.taken` once the bytes have left. */
  relay(chunk: Uint8Array, start: number, end: number): void;
  /**
   * The reply is over. Called once. Where the status is the peer's, `trailers` are complete as they came, grpc-status
   * and grpc-message included; else they are fields to add. `never`: names of them that must not be indexed.
   */
  finish(status: Status, trailers: Fields, never?: readonly string[] | null): void;
}

/**
 * Reply is an answer that has begun. Unary is a stream of one.
 *
 * Whoever receives it hands it on, attaches to it, or calls `discard()`.
 */
export interface Reply {
  /** Response fields without pseudo-fields; null when the reply has no head (gRPC trailers-only). */
  readonly head: Fields | null;
  /** Names in `head` whose values must never be indexed (RFC 7541 section 7.1.3). */
  readonly never?: readonly string[] | null;
  /** Set when the reply was already over as it was handed on, as a refusal is; else null. */
  readonly over: Status | null;
  /** The fields behind the reply, as they came or as the mesh adds them; empty until it is over. */
  readonly trailers: Fields;
  /** Settles once, when the reply ends; never rejects. */
  readonly status: Promise<Status>;
  /** Hands over body and end, in order, from the first byte. At most once. */
  attach(sink: ReplySink): void;
  /** `bytes` of the reply have left for the caller: the peer may send as many more. */
  taken(bytes: number): void;
  /** Lets go of a reply that nobody will read; a running one is cancelled. Safe to call again. */
  discard(): void;
}

class Refusal implements Reply {
  readonly head = null;
  readonly over: Status;
  readonly status: Promise<Status>;
  readonly trailers: Fields;

  constructor(status: Status, trailers: Fields) {
    this.over = status;
    this.status = Promise.resolve(status);
    this.trailers = trailers;
  }

  attach(sink: ReplySink): void {
    sink.finish(this.over, this.trailers);
  }

  taken(): void {}
  discard(): void {}
}

/** A reply that is over before it began: how filters refuse. */
export const refuse = (status: Status, trailers: Fields = []): Reply => new Refusal(status, trailers);

/** The same, as a service answers it. */
export const refusal = (status: Status, trailers: Fields = []): Promise<Reply> =>
  Promise.resolve(refuse(status, trailers));

import type { Loop } from './loop.ts';
import type { StreamListener } from './stream-listener.ts';

/** StreamEnd is one end of a stream, whatever carries it: frames on a socket, or the memory of this process. */
export interface StreamEnd {
  readonly connection: Carrier;
  /** Monotonic milliseconds. */
  readonly openedAt: number;
  /** We half-closed, or will behind what is queued. */
  readonly localEnded: boolean;
  /** Sends a header block: a response's head, or a request's. `last`: half-closes with it. */
  headers(fields: readonly string[], never: readonly string[] | null, last: boolean): void;
  /** Sends trailers behind all octets, and half-closes. */
  trailers(fields: readonly string[], never?: readonly string[] | null): void;
  /** Sends `chunk[start, end)`, or queues a copy of what the windows do not let through. */
  write(chunk: Uint8Array, start: number, end: number): void;
  /** Half-closes behind what was written. */
  end(): void;
  /** Ends both directions now; the listener hears nothing more. `code`: of RFC 9113. */
  reset(code: number): void;
  /** The listener is done with `bytes`: the other end may send as many more. */
  credit(bytes: number): void;
  /** What the other end sends is no gRPC: its octets are not followed. */
  ignoreMessages(): void;
  /** The work for this stream has stopped: its place is free. Safe to call again. */
  release(): void;
}

/** What carries streams, as far as whoever holds an end may know of it. */
export interface Carrier {
  /** When something came last, monotonic milliseconds. */
  readonly readAt: number;
  readonly loop: Pick<Loop, 'now' | 'blocks'>;
}

/** A carrier on which streams can be opened. */
export interface Opener extends Carrier {
  /** Opens a stream and sends the request's fields, pseudo-fields first. `last`: half-closes with them. */
  open(
    fields: readonly string[],
    never: readonly string[] | null,
    last: boolean,
    listener: StreamListener,
  ): StreamEnd;
}

import type { Attempt } from './call.ts';
import type { Address } from './endpoint.ts';
import type { Reply } from './reply.ts';

/**
 * What a link tells its pool, in this order: `ready` at most once, `room` any number of times, `draining` at most
 * once, `closed` exactly once. Never called from inside `dial` itself.
 */
export interface LinkEvents {
  /** Handshakes are over: calls may be sent. */
  ready(): void;
  /** A stream ended or the send window opened: one that waits may go. */
  room(): void;
  /** The peer sent GOAWAY, or age or certificate ended: no new calls, those in flight finish. */
  draining(): void;
  /** The connection is gone; `reason` is for messages and names address and cause. */
  closed(reason: string): void;
}

/** One connection to a peer, shared by many calls. */
export interface Link {
  readonly state: 'connecting' | 'ready' | 'draining' | 'closed';
  /** Attempts in flight. */
  readonly active: number;
  /** Streams that the peer lets us open now; 0 while connecting, draining, closed, or stuck (send window shut). */
  readonly room: number;
  /** Sends an attempt; only while `room > 0`. Answers, never rejects. */
  send(attempt: Attempt): Promise<Reply>;
  /** No new calls; closes when those in flight are over. */
  drain(): void;
  /** Closes now; attempts in flight end UNAVAILABLE from the wire. */
  close(reason: string): void;
}

/**
 * Opens a connection; answers at once with a link that is connecting. `connectMs`: milliseconds for TCP and TLS
 * together; absent: as the dialler has it.
 */
export type Dial = (address: Address, events: LinkEvents, connectMs?: number) => Link;

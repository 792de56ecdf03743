import type { Breach, ResetWatch } from './floods.ts';
import type { KeepaliveTimes } from './keepalive.ts';
import type { Limits } from './limits.ts';
import type { Loop } from './loop.ts';
import type { Stream } from './stream.ts';
import type { StreamListener } from './stream-listener.ts';

/** Who hears of a connection. Called from the engine: must not throw. */
export interface ConnectionListener {
  /** The peer's SETTINGS have come: a client may open streams. */
  ready(): void;
  /** Server: a request has begun; answers who hears of it. `last`: it is already half-closed. */
  stream(stream: Stream, fields: string[], never: string[] | null, last: boolean): StreamListener;
  /** Client: a stream has ended or the limit has grown. */
  room(): void;
  /** The peer sent GOAWAY, or we began to drain: no new streams. */
  draining(reason: string): void;
  /** Gone; every stream has been told before. Once. */
  closed(reason: string): void;
  /** A limit was broken. */
  breach(breach: Breach): void;
}

/** How a connection is set up. */
export interface ConnectionOptions {
  readonly role: 'client' | 'server';
  readonly loop: Loop;
  readonly limits: Limits;
  readonly listener: ConnectionListener;
  /** Follow the gRPC messages in DATA, and hold them to `limits.messageBytes` and `messageMs`. Default true. */
  readonly followsMessages?: boolean;
  /** Ping after `intervalMs` of silence, give up `timeoutMs` later; who did not say it takes part is pinged far less. */
  readonly keepalive?: KeepaliveTimes;
  /** Begin to drain at this age, without a limit to what is in progress; the caller adds jitter. 0 or absent: never. */
  readonly maxAgeMs?: number;
  /** Be gone at this age, draining a little before: a certificate ends then. 0 or absent: never. */
  readonly mustEndMs?: number;
  /** How long streams may finish once draining, in milliseconds. Default 30,000. */
  readonly drainMs?: number;
  /** Server on plaintext: answers a request in HTTP/1.1 that has `begun`. Our SETTINGS then wait for the preface. */
  readonly http1Answer?: (begun: Buffer) => Buffer;
  /** Share one between connections of one peer; default: one of its own. */
  readonly resets?: ResetWatch;
}

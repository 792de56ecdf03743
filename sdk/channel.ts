import type { Metadata } from './metadata.ts';

/** What a call says before its first message. */
export interface CallHead {
  /** Name of the service in the mesh. */
  readonly service: string;
  /** `/package.Service/Method` */
  readonly path: string;
  readonly metadata: Metadata;
  /** Milliseconds that are left; Infinity without a deadline. */
  readonly leftMs: number;
}

/** How a call ended, as whoever answered said it. */
export interface End {
  /** gRPC status code. */
  readonly code: number;
  readonly message: string;
  readonly trailers: Metadata;
  /** Who ended it, where that is known; else the trailers say. */
  readonly decidedBy?: 'sdk' | 'wire';
  /** There was nobody to ask: no sidecar answers. */
  readonly isUnconnected?: boolean;
}

/** Whoever made a call. Nothing is called after `ended`, which always comes. */
export interface CallListener {
  headers(metadata: Metadata): void;
  /** Once for each `read`, while there are messages. */
  message(octets: Buffer): void;
  ended(end: End): void;
}

/** One call on its way. Messages are whole, and without their gRPC prefix. */
export interface Line {
  /** Sends a message. `taken` is called when the next one may come; not at all when the call has ended. */
  send(octets: Buffer, taken: () => void): void;
  /** No more messages: half-closes. */
  end(): void;
  /** Asks for one more message. */
  read(): void;
  /** Ends the call from this side: `ended` comes with CANCELLED. Safe when it is over. */
  cancel(): void;
}

/** Channel is a way to call services: through the sidecar's socket, or in this process. */
export interface Channel {
  open(head: CallHead, listener: CallListener): Line;
  /** No call can begin any more; those that run may end. */
  close(): void;
}

import type { Metadata } from './metadata.ts';

/** How a call is answered in the end. */
export interface Answered {
  readonly code: number;
  readonly message: string;
  readonly trailers: Metadata;
}

/** Incoming is a call that has come, from a socket or from this process. Messages are without their gRPC prefix. */
export interface Incoming {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly metadata: Metadata;
  /** Milliseconds until the caller stops waiting; Infinity when it said nothing. */
  readonly leftMs: number;
  /** The next request; null when there are no more. Rejects when the caller is gone. */
  read(): Promise<Buffer | null>;
  /** Sends metadata before the first message; once. */
  sendHeaders(metadata: Metadata): void;
  /** Sends a message. Resolves when the next one may come, or when the caller is gone. */
  write(octets: Buffer): Promise<void>;
  end(answered: Answered): void;
  /** Calls `gone` once if the caller cancels, is gone or runs out of time before `end`. */
  watch(gone: () => void): void;
}

/** What answers calls of one method. Never rejects. */
export type Answerer = (incoming: Incoming) => Promise<void>;

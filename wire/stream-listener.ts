import type { Breach } from './floods.ts';

/** Why a stream ended before its time. */
export interface Abort {
  /** RFC 9113 error code: of RST_STREAM, or of what ended the connection. */
  readonly code: number;
  /** Who ended it: the peer by RST_STREAM, we ourselves for a fault of the peer's, or the connection under it. */
  readonly by: 'peer' | 'us' | 'connection';
  /** False when the peer cannot have acted on the request (RFC 9113 section 8.7). */
  readonly reached: boolean;
  /** For people. */
  readonly message: string;
  /** The limit that was broken, if one was. */
  readonly breach?: Breach;
}

/** Who hears of a stream. Called from the engine: must not throw. */
export interface StreamListener {
  /** Client: the response's head, then trailers. Server: trailers. `last`: the peer half-closed with it. */
  headers(fields: string[], never: string[] | null, last: boolean): void;
  /** DATA in `chunk[start, end)`, which belongs to the engine again after return. Owes `stream.credit(end - start)`. */
  data(chunk: Buffer, start: number, end: number, last: boolean): void;
  /** `bytes` that were written have left the stream's queue for the socket. */
  sent(bytes: number): void;
  /** The stream is over before its time; nothing follows. For a limit (`breach`) a server may still say why in trailers. */
  aborted(abort: Abort): void;
}

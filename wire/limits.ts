/** Limits of one connection. Each has a default, a name in the counters, and a test. */
export interface Limits {
  /** Octets of a header list, names and values plus 32 per field (RFC 9113 section 6.5.2). Above: the stream is reset. */
  readonly headerListBytes: number;
  /** Fields in a header list. Without it, tiny fields by reference multiply a block's cost. */
  readonly headerFields: number;
  /** CONTINUATION frames of one block. Above: the connection ends. */
  readonly continuations: number;
  /** Streams that a peer may hold open, reset ones included until their work has stopped. */
  readonly concurrentStreams: number;
  /** Octets of one gRPC message, by its 5-byte prefix. */
  readonly messageBytes: number;
  /** Milliseconds for TLS, preface and the first SETTINGS. */
  readonly prefaceMs: number;
  /** Milliseconds from HEADERS to END_HEADERS. */
  readonly headersMs: number;
  /** Milliseconds that a message may stay begun and incomplete. */
  readonly messageMs: number;
  /** Milliseconds without a stream until a connection is closed; 0: never. */
  readonly idleMs: number;
  /** PING frames in a second, beside one for each DATA frame that we sent. */
  readonly pings: number;
  /** SETTINGS frames in a second. */
  readonly settings: number;
  /** PRIORITY frames and unknown frames in a second, beside 10 for each stream opened. */
  readonly priorities: number;
  /** WINDOW_UPDATE frames in a second, beside 10 for each piece of DATA that we sent and one for each 256 octets. */
  readonly windowUpdates: number;
  /** DATA frames without octets and without END_STREAM in a second. */
  readonly emptyData: number;
  /**
   * Octets that may wait for a peer: above, the connection ends after a second, above four times that at once. DATA
   * stops at a quarter of it.
   */
  readonly outputBytes: number;
  /** Streams opened in a second before resets are judged at all. */
  readonly resetSample: number;
  /** Octets a stream may send us before credit; it grows while the reader keeps up. */
  readonly streamWindow: number;
  /** The size that a stream's window may grow to. */
  readonly largestStreamWindow: number;
  /** Octets a connection may send us before credit, which is returned on receipt. */
  readonly connectionWindow: number;
}

/** The defaults, for a peer that has proved nothing. */
export const defaultLimits: Limits = Object.freeze({
  headerListBytes: 16_384,
  headerFields: 64,
  continuations: 8,
  concurrentStreams: 100,
  messageBytes: 64 * 1024 * 1024,
  prefaceMs: 5_000,
  headersMs: 5_000,
  messageMs: 30_000,
  idleMs: 0,
  pings: 100,
  settings: 50,
  priorities: 500,
  windowUpdates: 2_000,
  emptyData: 500,
  outputBytes: 1024 * 1024,
  resetSample: 500,
  streamWindow: 65_535,
  largestStreamWindow: 1024 * 1024,
  connectionWindow: 4 * 1024 * 1024,
});

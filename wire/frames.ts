/** Frame types. Ref: RFC 9113 section 6. */
export const FrameType = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

/** Flags; ACK and END_STREAM share a bit on different frames. Ref: RFC 9113 section 6. */
export const Flag = { END_STREAM: 0x1, ACK: 0x1, END_HEADERS: 0x4, PADDED: 0x8, PRIORITY: 0x20 } as const;

/** Error codes. Ref: RFC 9113 section 7. */
export const ErrorCode = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  SETTINGS_TIMEOUT: 0x4,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  CONNECT_ERROR: 0xa,
  ENHANCE_YOUR_CALM: 0xb,
  INADEQUATE_SECURITY: 0xc,
  HTTP_1_1_REQUIRED: 0xd,
} as const;

/** Names of the error codes, for messages; the index is the code. */
export const errorNames: readonly string[] = Object.keys(ErrorCode);

/** The error code as people read it. */
export const errorName = (code: number): string => errorNames[code] ?? `error code ${code}`;

/** Settings parameters. Ref: RFC 9113 section 6.5.2. */
export const Setting = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
  /** Ours: the sender takes part in keepalive and does not count pings as a nuisance. Others ignore it. */
  OUTRIGGER_KEEPALIVE: 0xf052,
} as const;

/** Octets before each frame's payload. Ref: RFC 9113 section 4.1. */
export const frameHeaderSize = 9;

/** What both ends accept before SETTINGS say otherwise, and all that we ever accept. */
export const defaultFrameSize = 16_384;

/** Stream and connection windows before SETTINGS say otherwise. Ref: RFC 9113 section 6.9.2. */
export const defaultWindow = 65_535;

/** The largest window that exists. Ref: RFC 9113 section 6.9.1. */
export const largestWindow = 0x7fff_ffff;

/** What a client sends first. Ref: RFC 9113 section 3.4. */
export const preface: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

const digit0 = 48;
const digit9 = 57;

/** Milliseconds in one unit of grpc-timeout, by its letter. */
const unitMs = (letter: number): number => {
  switch (letter) {
    case 0x48: // H
      return 3_600_000;
    case 0x4d: // M
      return 60_000;
    case 0x53: // S
      return 1000;
    case 0x6d: // m
      return 1;
    case 0x75: // u
      return 0.001;
    case 0x6e: // n
      return 0.000_001;
    default:
      return -1;
  }
};

/**
 * Milliseconds, with fractions, that a grpc-timeout grants; -1 when it is malformed.
 *
 * One to eight ASCII digits and one of H M S m u n, nothing else. Zero is read as "already over": clients send it
 * for deadlines that have passed, though the grammar says "positive".
 *
 * Ref: gRPC over HTTP/2 (doc/PROTOCOL-HTTP2.md), Timeout.
 */
export const parseGrpcTimeout = (text: string): number => {
  const last = text.length - 1;
  if (last < 1 || last > 8) return -1;
  let value = 0;
  for (let at = 0; at < last; at++) {
    const letter = text.charCodeAt(at);
    if (letter < digit0 || letter > digit9) return -1;
    value = value * 10 + (letter - digit0);
  }
  const unit = unitMs(text.charCodeAt(last));
  return unit < 0 ? -1 : value * unit;
};

/** Longest timeout that eight digits of microseconds can say. */
const longestMicroseconds = 99_999_999;

/** grpc-timeout of what is left, never more than that. Ref: gRPC over HTTP/2, "Timeout". */
export const encodeTimeout = (leftMs: number): string => {
  const microseconds = Math.max(1, Math.floor(leftMs * 1000));
  if (microseconds <= longestMicroseconds) return `${microseconds}u`;
  const milliseconds = Math.floor(leftMs);
  return milliseconds <= longestMicroseconds ? `${milliseconds}m` : `${Math.floor(milliseconds / 1000)}S`;
};

/** Longest timeout that eight digits of microseconds can say. */
const longestMicroseconds = 99_999_999;

/** grpc-timeout of what is left, never more than that. Ref: gRPC over HTTP/2, "Timeout". */
export const encodeTimeout = (leftMs: number): string => {
  const microseconds = Math.max(1, Math.floor(leftMs * 1000));
  if (microseconds <= longestMicroseconds) return `${microseconds}u`;
  const milliseconds = Math.floor(leftMs);
  return milliseconds <= longestMicroseconds ? `${milliseconds}m` : `${Math.floor(milliseconds / 1000)}S`;
};

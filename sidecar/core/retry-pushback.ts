import type { Fields } from '../core/reply.ts';

/** Milliseconds after which a peer may be tried again, -1 when it asks not to be; null when it says nothing. */
export type Pushback = number | null;

/**
 * What a peer that failed says of trying again, `grpc-retry-pushback-ms`. What is negative or no whole number of
 * milliseconds means: do not.
 *
 * Ref: gRFC A6, "Pushback".
 */
export const pushbackIn = (trailers: Fields): Pushback => {
  for (let i = 0; i < trailers.length; i += 2)
    if (trailers[i] === 'grpc-retry-pushback-ms')
      return /^[0-9]{1,9}$/.test(trailers[i + 1]!) ? Number(trailers[i + 1]) : -1;
  return null;
};

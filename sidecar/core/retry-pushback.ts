import type { Fields } from './reply.ts';

/** Milliseconds after which a peer may be tried again, -1 when it asks not to be; null when it says nothing. */
export type Pushback = number | null;

/** The trailer in which a peer that failed says when to try again. Ref: gRFC A6, "Pushback". */
export const pushbackName = 'grpc-retry-pushback-ms';

/** Its value in milliseconds. What is negative or no whole number of them means: do not; -1. */
export const pushbackOf = (value: string): number => (/^[0-9]{1,9}$/.test(value) ? Number(value) : -1);

/** What `trailers` say of it. */
export const pushbackIn = (trailers: Fields): Pushback => {
  for (let i = 0; i < trailers.length; i += 2)
    if (trailers[i] === pushbackName) return pushbackOf(trailers[i + 1]!);
  return null;
};

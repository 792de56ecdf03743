import type * as grpc from '@grpc/grpc-js';

/** The methods of the echo service that all our tests call; `test/interop` has it in Python and Go too. */
export const echoMethods = {
  /** The request comes back. */
  Unary: [false, false],
  /** Takes messages; answers how many, how many bytes, and their SHA-256, as JSON. */
  Collect: [true, false],
  /** `{count, size}` as JSON; answers so many messages of so many bytes, each filled with its number modulo 251. */
  Repeat: [false, true],
  /** Each message comes back; half-close ends it. */
  Bidi: [true, true],
  /** `{code, message, details}` as JSON; ends so, with `details` (hex) in grpc-status-details-bin. Never a message. */
  Fail: [false, false],
  /** Never answers; the request is a key by which `Cancelled` is asked. */
  Slow: [false, false],
  /** Answers the key at once and then nothing more; `Cancelled` knows it too. */
  Hold: [false, true],
  /** Waits until the call with that key was cancelled at the server, 5 s at most; answers yes or no. */
  Cancelled: [false, false],
  /** Answers how many milliseconds the server has left, or none. */
  Timeout: [false, false],
  /** Ends with OUT_OF_RANGE after the first message, while the caller may go on. */
  Early: [true, true],
} as const;

/** A method's name. */
export type EchoMethod = keyof typeof echoMethods;

const asIs = (octets: Buffer): Buffer => octets;

/** The definition for grpc-js, messages as plain bytes. */
export const echoDefinition = (): grpc.ServiceDefinition =>
  Object.fromEntries(
    Object.entries(echoMethods).map(([name, [requestStream, responseStream]]) => [
      name,
      {
        path: `/interop.Echo/${name}`,
        requestStream,
        responseStream,
        requestSerialize: asIs,
        requestDeserialize: asIs,
        responseSerialize: asIs,
        responseDeserialize: asIs,
      },
    ]),
  );

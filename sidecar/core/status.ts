/**
 * Status is how a call ends: a gRPC code, and who decided it.
 *
 * Ref: gRPC "Status codes and their use in gRPC" (doc/statuscodes.md).
 */

/**
 * gRPC status codes by name.
 *
 * @example
 * const error: unknown = await inventory.reserve({ sku: 'none' }).catch((thrown) => thrown);
 * console.log(error instanceof MeshError && error.code === Code.NOT_FOUND);
 */
export const Code = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

/** A gRPC status code, 0 to 16. */
export type Code = (typeof Code)[keyof typeof Code];

/** The names of the codes; the index is the code. */
export const codeNames: readonly string[] = Object.keys(Code);

/** Who decided: the app at the far end, the transport between, or a rule of the mesh. */
export type From = 'peer' | 'wire' | 'mesh';

/** How a call ended. */
export interface Status {
  /** gRPC status code; a number outside 0 to 16 from a peer is kept as it came. */
  readonly code: number;
  /** For people; empty when OK. Unescaped: percent-encoding belongs to the wire. */
  readonly message: string;
  readonly from: From;
  /** Whether the peer's app may have started on the call. Only `false` is retried without the contract's leave. */
  readonly reached: boolean;
  /** A verified sidecar says that its app broke the call off without an answer: the code is that sidecar's word. */
  readonly isBroken?: true;
  /** The caller's stream is reset rather than ended with trailers; only faults made on purpose do that. */
  readonly isReset?: true;
  /** How long the peer asks to be left alone, milliseconds; absent where it does not ask. Ref: gRFC A6, "Pushback". */
  readonly pushbackMs?: number;
}

/** The status of a call that went well. */
export const ok: Status = Object.freeze({ code: Code.OK, message: '', from: 'peer', reached: true });

/** A refusal by a rule of the mesh: the app never saw the call. */
export const refused = (code: Code, message: string): Status => ({
  code,
  message,
  from: 'mesh',
  reached: false,
});

/** A failure of the transport. `reached` is false only where RFC 9113 section 8.7 promises it. */
export const broken = (message: string, reached: boolean): Status => ({
  code: Code.UNAVAILABLE,
  message,
  from: 'wire',
  reached,
});

/** A call that the mesh ended after the app may have started on it. */
export const ended = (code: Code, message: string): Status => ({
  code,
  message,
  from: 'mesh',
  reached: true,
});

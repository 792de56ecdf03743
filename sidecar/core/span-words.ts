import { Code, codeNames } from './status.ts';

/**
 * The names of attributes, in one place, because those that are not ours may still change.
 *
 * Ref: OpenTelemetry semantic conventions 1.40 for RPC and gRPC spans (release candidate, 2026).
 */
export const attributes = {
  system: 'rpc.system.name',
  method: 'rpc.method',
  code: 'rpc.response.status_code',
  serverAddress: 'server.address',
  serverPort: 'server.port',
  errorType: 'error.type',
  correlationId: 'outrigger.correlation_id',
  /** The service in the mesh that is called. */
  service: 'outrigger.service',
  /** The verified caller. */
  caller: 'outrigger.caller',
  /** `outrigger.flag.express` = `on` */
  flag: 'outrigger.flag.',
  /** `peer`, `wire`, `mesh`, or `sdk`: who wrote the status. */
  decidedBy: 'outrigger.decided_by',
  /** Whether the app at the far end may have started on the call. */
  reached: 'outrigger.reached',
  attempts: 'outrigger.attempts',
  /** Which attempt of the call it is, from 1. */
  attempt: 'outrigger.attempt',
  endpoint: 'outrigger.endpoint',
  /** Of the endpoint, as the attempt begins. */
  gate: 'outrigger.gate',
  zone: 'outrigger.zone',
  pickMs: 'outrigger.wait.pick_ms',
  queueMs: 'outrigger.wait.queue_ms',
  connectMs: 'outrigger.wait.connect_ms',
  retryMs: 'outrigger.wait.retry_ms',
  requestBytes: 'outrigger.request_bytes',
  responseBytes: 'outrigger.response_bytes',
} as const;

/** What both sides of every call say of it. */
export const system = 'grpc';

/** `package.Service/Method` of a path, which is also the name of its spans. */
export const rpcMethod = (path: string): string => (path.startsWith('/') ? path.slice(1) : path);

/** A gRPC code by its name; a number that has none is told as it is. */
export const codeText = (code: number): string => codeNames[code] ?? String(code);

const serverFaults: ReadonlySet<number> = new Set([
  Code.UNKNOWN,
  Code.DEADLINE_EXCEEDED,
  Code.UNIMPLEMENTED,
  Code.INTERNAL,
  Code.UNAVAILABLE,
  Code.DATA_LOSS,
]);

/** Whether a span of whoever answered is an error: what a caller did wrong is none of the server's. */
export const isServerError = (code: number): boolean =>
  serverFaults.has(code) || codeNames[code] === undefined;

/** W3C Trace Context of a span. */
export const traceparentOf = (span: {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
}): string => `00-${span.traceId}-${span.spanId}-${(span.traceFlags & 0xff).toString(16).padStart(2, '0')}`;

/** The trace id in a valid traceparent. */
export const traceIdOf = (traceparent: string): string => traceparent.slice(3, 35);

/** The parts of a valid traceparent; null for any other text. */
export const partsOf = (
  traceparent: string,
): { readonly traceId: string; readonly spanId: string; readonly traceFlags: number } | null => {
  const [, traceId = '', spanId = '', flags = ''] = shape.exec(traceparent) ?? [];
  if (traceId === '' || noId.test(traceId) || noId.test(spanId)) return null;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1 };
};

const shape = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/;
const noId = /^0+$/;

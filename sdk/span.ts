import { Code } from '../sidecar/core/status.ts';
import type { LiveContext } from './context.ts';
import type { Metadata } from './metadata.ts';

/** One call as a trace shows it. Ends once; later ends do nothing. */
export interface Span {
  /** W3C trace context that names this span as the parent. */
  readonly traceparent: string;
  readonly tracestate: string;
  /** Says whose call it is: correlation id and flags. */
  about(correlationId: string, context: LiveContext | null): void;
  /** Runs `work` with the span active, so that the app's own spans are its children. */
  run<T>(work: () => T): T;
  ended(code: number, message?: string): void;
  /** The same for what was thrown. */
  failed(error: unknown): void;
}

/** Tracing is the spans around the calls of an app. Where it is off there is none. */
export interface Tracing {
  /** A call is made: inside the app's active span, else in the trace of the call that is served. */
  made(service: string, method: string, context: LiveContext | null): Span;
  /** A call has come. */
  came(method: string, metadata: Metadata): Span;
  /** Runs `work` in the trace that was begun elsewhere. */
  within<T>(traceparent: string, tracestate: string, work: () => T): T;
  /** Sends what is left. Never rejects. */
  flush(): Promise<void>;
}

/** Makes the span the parent of what `metadata` goes with. */
export const tellSpan = (metadata: Metadata, { traceparent, tracestate }: Span): void => {
  metadata.set('traceparent', traceparent);
  if (tracestate !== '') metadata.set('tracestate', tracestate);
};

/** The only answer, which ends the span. */
export const spanOfReply = async (span: Span, reply: Promise<unknown>): Promise<unknown> => {
  try {
    const said = await reply;
    span.ended(Code.OK);
    return said;
  } catch (error) {
    span.failed(error);
    throw error;
  }
};

/** The answers, of which the last ends the span; who leaves them has cancelled the call. */
export async function* spanOfReplies(
  span: Span,
  replies: AsyncIterable<unknown>,
): AsyncGenerator<unknown, void, undefined> {
  try {
    yield* replies;
    span.ended(Code.OK);
  } catch (error) {
    span.failed(error);
    throw error;
  } finally {
    span.ended(Code.CANCELLED);
  }
}

import type { Attempt, Call } from './call.ts';
import type { Witness } from './life.ts';

/** What a span says of a call beside the call itself. */
export interface CallFacts {
  readonly direction: 'outbound' | 'inbound';
  /** The service that an outbound call names, or the verified caller of an inbound one; may be empty. */
  readonly service: string;
  /** Nobody before us has begun a trace. */
  readonly isRoot: boolean;
}

/** The span of a call; it ends with the call's life. */
export interface CallSpan extends Witness {
  /** Names this span as the parent of what comes after. */
  readonly traceparent: string;
  /** Begins the span of an attempt, with a link to the attempt before it. */
  attempt(attempt: Attempt): AttemptSpan;
}

/** The span of one attempt; it ends once, with the attempt. */
export interface AttemptSpan extends Witness {
  readonly traceparent: string;
}

/**
 * Tracer tells of a sidecar's calls as spans. Where tracing is off there is none.
 *
 * Nothing of it may throw: no call fails because nobody could be told of it.
 */
export interface Tracer {
  /** Begins the span of a call; null when whoever keeps the spans does not want this one. */
  begin(call: Call, facts: CallFacts): CallSpan | null;
}

/** Whether a call is told of: by the sampled flag in `traceparent`, or, of a root, by the trace id that was made for it. */
export type Samples = (traceparent: string, isRoot: boolean) => boolean;

/** How a sidecar traces. */
export interface Tracing {
  readonly tracer: Tracer;
  readonly samples: Samples;
}

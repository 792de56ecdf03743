import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { flagsOf } from './flags.ts';
import { Metadata } from './grpc.ts';

/**
 * Context is what belongs to the call being served: it follows by itself across awaits, timers and streams, and goes
 * with every call that is made on behalf of it.
 */
export interface Context {
  /** `x-request-id`: the same in every process that works for one call of a user. */
  readonly correlationId: string;
  /** Name of the calling service, verified by the sidecar; empty when nobody proved who calls. */
  readonly caller: string;
  /** `/package.Service/Method` of the call being served; empty for work of our own. */
  readonly method: string;
  /** Flag to variant, decided once for the whole call tree. */
  readonly flags: ReadonlyMap<string, string>;
  /** When the caller stops waiting, in wall-clock time, or null. */
  readonly deadline: Date | null;
  /** Milliseconds until then; Infinity without a deadline, never below 0. */
  remainingMs(): number;
  /** Aborts when the caller cancels, is gone, or has run out of time; not when the call is answered. */
  readonly signal: AbortSignal;
  /** W3C trace context and baggage, as they came. */
  readonly traceparent: string;
  readonly tracestate: string;
  readonly baggage: string;
}

/** A context with what only the SDK needs to know. */
export interface LiveContext extends Context {
  /** x-outrigger-token: ties outbound calls to this one. */
  readonly token: string;
  /** x-outrigger-priority */
  readonly priority: string;
  /** Monotonic milliseconds; Infinity without a deadline. */
  readonly deadlineAt: number;
}

/** Parts of a context that have no default. */
export interface ContextFacts {
  readonly correlationId: string;
  readonly caller?: string;
  readonly method?: string;
  readonly token?: string;
  readonly priority?: string;
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly baggage?: string;
  readonly deadlineAt?: number;
  readonly signal: AbortSignal;
}

/** Monotonic milliseconds with fractions; what deadlines are counted in. */
export type Now = () => number;

/** Makes a context; what is absent is empty. */
export const makeContext = (facts: ContextFacts, now: Now): LiveContext => {
  const deadlineAt = facts.deadlineAt ?? Number.POSITIVE_INFINITY;
  const baggage = facts.baggage ?? '';
  let flags: ReadonlyMap<string, string> | null = null;
  return {
    correlationId: facts.correlationId,
    caller: facts.caller ?? '',
    method: facts.method ?? '',
    token: facts.token ?? '',
    priority: facts.priority ?? '',
    traceparent: facts.traceparent ?? '',
    tracestate: facts.tracestate ?? '',
    baggage,
    deadlineAt,
    signal: facts.signal,
    get flags() {
      return (flags ??= flagsOf(baggage));
    },
    get deadline() {
      return deadlineAt === Number.POSITIVE_INFINITY ? null : new Date(Date.now() + deadlineAt - now());
    },
    remainingMs: () => Math.max(0, deadlineAt - now()),
  };
};

/** The context of a call that has just come. `deadline` as grpc-js says it: wall-clock, or Infinity. */
export const inboundContext = (
  metadata: Metadata,
  method: string,
  deadline: Date | number,
  signal: AbortSignal,
  now: Now,
): LiveContext => {
  const leftMs = Number(deadline) - Date.now();
  return makeContext(
    {
      correlationId: word(metadata, 'x-request-id') || newId(),
      caller: word(metadata, 'x-outrigger-caller'),
      method,
      token: word(metadata, 'x-outrigger-token'),
      priority: word(metadata, 'x-outrigger-priority'),
      traceparent: word(metadata, 'traceparent'),
      tracestate: word(metadata, 'tracestate'),
      baggage: metadata.get('baggage').join(','),
      deadlineAt: Number.isFinite(leftMs) ? now() + leftMs : Number.POSITIVE_INFINITY,
      signal,
    },
    now,
  );
};

/** What a call made inside `context` says of it. */
export const outboundMetadata = (
  context: LiveContext | null,
  correlationId: string,
  own: Readonly<Record<string, string | Buffer>>,
): Metadata => {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(own)) metadata.set(name, value);
  metadata.set('x-request-id', correlationId);
  if (context === null) return metadata;
  if (context.traceparent !== '') metadata.set('traceparent', context.traceparent);
  if (context.tracestate !== '') metadata.set('tracestate', context.tracestate);
  if (context.baggage !== '') metadata.set('baggage', context.baggage);
  if (context.token !== '') metadata.set('x-outrigger-token', context.token);
  if (context.priority !== '') metadata.set('x-outrigger-priority', context.priority);
  return metadata;
};

/** A new correlation id. */
export const newId = (): string => randomBytes(16).toString('hex');

/** A source of cancellation that any number of outbound calls may listen to. */
export const cancellation = (): AbortController => {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
};

const word = (metadata: Metadata, name: string): string => String(metadata.get(name)[0] ?? '');

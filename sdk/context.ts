import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { type Duration, millisecondsOf } from './duration.ts';
import { type Flags, flagsOf } from './flags.ts';
import type { Metadata } from './metadata.ts';

/**
 * Context is what belongs to the call being served: it follows by itself across awaits, timers and streams, and goes
 * with every call that is made on behalf of it.
 *
 * @example
 * const isHurried = (context: Context | null): boolean => context !== null && context.remainingMs() < 50;
 * mesh.run({ timeout: '1s' }, () => console.log(isHurried(mesh.context())));
 */
export interface Context {
  /** `x-request-id`: the same in every process that works for one call of a user. */
  readonly correlationId: string;
  /** Name of the calling service, verified by the sidecar; empty when nobody proved who calls. */
  readonly caller: string;
  /** `/package.Service/Method` of the call being served; empty for work of our own. */
  readonly method: string;
  /** Decided once for the whole call tree. */
  readonly flags: Flags;
  /** When the caller stops waiting, in wall-clock time, or null. */
  readonly deadline: Date | null;
  /** Milliseconds until then; Infinity without a deadline, never below 0. */
  remainingMs(): number;
  /** Aborts when the caller cancels, is gone, or has run out of time; not when the call is answered. */
  readonly signal: AbortSignal;
  /** W3C trace context, of our own span where there is one, and baggage as it came. */
  readonly traceparent: string;
  readonly tracestate: string;
  readonly baggage: string;
  /**
   * The context in words, for a queue or a job that goes on elsewhere: `mesh.run({ headers }, work)` takes it up again.
   * What ends with the call, its deadline and its cancellation, does not go along.
   */
  headers(): Record<string, string>;
}

/**
 * Work of our own that no call brought: a timer's, a queue's, a test's.
 *
 * @example
 * const headers = mesh.run({ correlationId: 'order-7' }, () => mesh.context()!.headers()); // goes into a queue
 * const options: RunOptions = { headers, timeout: '5s' };
 * await mesh.run(options, () => inventory.reserve({ sku: 'oar' })); // goes on as order-7
 */
export interface RunOptions {
  /** What `context.headers()` said where the work was asked for; what is given beside it wins. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: a new one. */
  readonly correlationId?: string;
  /** What all calls made inside may take together. */
  readonly timeout?: Duration;
  /** Cancels the calls made inside. */
  readonly signal?: AbortSignal;
  /** Baggage, such as `ff.express=on`. */
  readonly baggage?: string;
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
  /** Whose signal ends it. Asked only when somebody looks at the signal. */
  readonly cancelling: Pick<Cancellation, 'signal'>;
}

/** Monotonic milliseconds with fractions; what deadlines are counted in. */
export type Now = () => number;

/** The token of work that belongs to no inbound call, and says so. */
export const ownToken = '-';

/** Makes a context; what is absent is empty. */
export const makeContext = (facts: ContextFacts, now: Now): LiveContext => new Live(facts, now);

class Live implements LiveContext {
  readonly correlationId: string;
  readonly caller: string;
  readonly method: string;
  readonly token: string;
  readonly priority: string;
  readonly traceparent: string;
  readonly tracestate: string;
  readonly baggage: string;
  readonly deadlineAt: number;
  readonly #cancelling: Pick<Cancellation, 'signal'>;
  readonly #now: Now;
  #flags: Flags | null = null;

  constructor(facts: ContextFacts, now: Now) {
    this.correlationId = facts.correlationId;
    this.caller = facts.caller ?? '';
    this.method = facts.method ?? '';
    this.token = facts.token ?? '';
    this.priority = facts.priority ?? '';
    this.traceparent = facts.traceparent ?? '';
    this.tracestate = facts.tracestate ?? '';
    this.baggage = facts.baggage ?? '';
    this.deadlineAt = facts.deadlineAt ?? Number.POSITIVE_INFINITY;
    this.#cancelling = facts.cancelling;
    this.#now = now;
  }

  get signal(): AbortSignal {
    return this.#cancelling.signal;
  }

  get flags(): Flags {
    return (this.#flags ??= flagsOf(this.baggage));
  }

  get deadline(): Date | null {
    const { deadlineAt } = this;
    return deadlineAt === Number.POSITIVE_INFINITY ? null : new Date(Date.now() + deadlineAt - this.#now());
  }

  remainingMs(): number {
    return Math.max(0, this.deadlineAt - this.#now());
  }

  headers(): Record<string, string> {
    const { correlationId, traceparent, tracestate, baggage, priority } = this;
    const words = {
      'x-request-id': correlationId,
      traceparent,
      tracestate,
      baggage,
      'x-outrigger-priority': priority,
    };
    return Object.fromEntries(Object.entries(words).filter(([, word]) => word !== ''));
  }
}

/** The context of a call that has just come; `leftMs` until its deadline, `traceparent` of our span where there is one. */
export const inboundContext = (
  metadata: Metadata,
  method: string,
  leftMs: number,
  cancelling: Pick<Cancellation, 'signal'>,
  now: Now,
  traceparent: string = metadata.text('traceparent'),
): LiveContext =>
  makeContext(
    {
      correlationId: metadata.text('x-request-id') || newId(),
      caller: metadata.text('x-outrigger-caller'),
      method,
      token: metadata.text('x-outrigger-token'),
      priority: metadata.text('x-outrigger-priority'),
      traceparent,
      tracestate: metadata.text('tracestate'),
      baggage: metadata.getAll('baggage').join(','),
      deadlineAt: Number.isFinite(leftMs) ? now() + leftMs : Number.POSITIVE_INFINITY,
      cancelling,
    },
    now,
  );

/** The context of work of our own. */
export const ownContext = (
  { headers = {}, correlationId, timeout, signal, baggage }: RunOptions,
  now: Now,
): LiveContext =>
  makeContext(
    {
      correlationId: correlationId ?? headers['x-request-id'] ?? newId(),
      token: ownToken,
      priority: headers['x-outrigger-priority'] ?? '',
      traceparent: headers['traceparent'] ?? '',
      tracestate: headers['tracestate'] ?? '',
      baggage: baggage ?? headers['baggage'] ?? '',
      deadlineAt:
        timeout === undefined ? Number.POSITIVE_INFINITY : now() + millisecondsOf(timeout, 'timeout'),
      cancelling: signal === undefined ? new Cancellation() : { signal },
    },
    now,
  );

/** The same ids as `context`, neither ended by its deadline nor by its cancellation. */
export const detachedContext = (context: LiveContext, now: Now): LiveContext =>
  makeContext({ ...context, deadlineAt: Number.POSITIVE_INFINITY, cancelling: new Cancellation() }, now);

/** Writes into `metadata` what a call made inside `context` says of it. */
export const tellContext = (metadata: Metadata, context: LiveContext | null, correlationId: string): void => {
  metadata.set('x-request-id', correlationId);
  if (context === null) return;
  if (context.traceparent !== '') metadata.set('traceparent', context.traceparent);
  if (context.tracestate !== '') metadata.set('tracestate', context.tracestate);
  if (context.baggage !== '') metadata.set('baggage', context.baggage);
  if (context.token !== '') metadata.set('x-outrigger-token', context.token);
  if (context.priority !== '') metadata.set('x-outrigger-priority', context.priority);
};

/** What every log line should carry of a context; nothing outside of one. */
export const logFields = (context: Context | null): Record<string, unknown> => {
  if (context === null) return {};
  const { correlationId, caller, method, flags } = context;
  const leftMs = context.remainingMs();
  return {
    correlationId,
    ...(caller === '' ? {} : { caller }),
    ...(method === '' ? {} : { method }),
    ...(leftMs === Number.POSITIVE_INFINITY ? {} : { remainingMs: Math.round(leftMs) }),
    ...(flags.size === 0 ? {} : { flags: Object.fromEntries(flags) }),
  };
};

/** A new correlation id. */
export const newId = (): string => randomUUID().replaceAll('-', '');

/**
 * Cancellation is a source of cancellation that any number of outbound calls may listen to. Its signal is made when it is first
 * looked at: most calls are answered before anybody does, and it costs more than all else of a context.
 */
export class Cancellation {
  #controller: AbortController | null = null;
  #isOver = false;
  #reason: unknown;

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      setMaxListeners(0, this.#controller.signal);
      if (this.#isOver) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** The first reason holds. */
  abort(reason: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}

import { Code } from '../sidecar/core/status.ts';
import type { CallHead } from './channel.ts';
import { type LiveContext, type Now, newId, tellContext } from './context.ts';
import { type Duration, millisecondsOf } from './duration.ts';
import { MeshError, type MeshErrorFacts } from './mesh-error.ts';
import { Metadata, type MetadataInit } from './metadata.ts';

/**
 * How one call is made.
 *
 * @example
 * const options: CallOptions = { timeout: '200ms', signal: AbortSignal.timeout(1000), onTrailers: (trailers) => console.log([...trailers]) };
 * await inventory.reserve({ sku: 'oar' }, options);
 */
export interface CallOptions {
  /** What the call may take; the deadline of the call being served holds too, the earlier one wins. */
  readonly timeout?: Duration;
  /** Cancels the call when it aborts. */
  readonly signal?: AbortSignal;
  /** Metadata of the app's own. Names that end in `-bin` take a Buffer. */
  readonly metadata?: MetadataInit;
  /** Hears what came before the first message of the answer. */
  readonly onHeaders?: (headers: Metadata) => void;
  /** Hears what came behind the answer, of a failed call too. */
  readonly onTrailers?: (trailers: Metadata) => void;
}

/** One call on its way out: what it says, how long it may take, and what ends it before. */
export class Outbound {
  readonly metadata: Metadata;
  readonly options: CallOptions;
  readonly facts: Required<Pick<MeshErrorFacts, 'correlationId' | 'service' | 'method'>>;
  readonly #signals: readonly (readonly [signal: AbortSignal, why: string])[];
  readonly #deadlineAt: number;
  readonly #now: Now;
  #cancelled: MeshError | null = null;
  /**
   * What takes our listeners off again. A list, because V8 puts a function that is written to a property where only a major
   * collection finds it, and with it all of the call.
   */
  #stops: (() => void)[] = noStops;

  constructor(context: LiveContext | null, service: string, method: string, options: CallOptions, now: Now) {
    const correlationId = context?.correlationId ?? newId();
    this.facts = { correlationId, service, method };
    this.options = options;
    this.metadata = new Metadata(options.metadata);
    tellContext(this.metadata, context, correlationId);
    this.#now = now;
    const own =
      options.timeout === undefined
        ? Number.POSITIVE_INFINITY
        : now() + millisecondsOf(options.timeout, 'timeout');
    this.#deadlineAt = Math.min(context?.deadlineAt ?? Number.POSITIVE_INFINITY, own);
    const signals: [AbortSignal, string][] = [];
    if (context !== null) {
      const { method } = context;
      signals.push([
        context.signal,
        `${method === '' ? 'the work that called' : `the call being served, ${method},`} was cancelled`,
      ]);
    }
    if (options.signal !== undefined)
      signals.push([options.signal, 'the AbortSignal that the call was given was aborted']);
    this.#signals = signals;
  }

  /** Why the call must not be made at all, or null. */
  refusal(): MeshError | null {
    for (const [signal, why] of this.#signals) if (signal.aborted) return this.#aborted(why, false);
    if (this.#deadlineAt > this.#now()) return null;
    return new MeshError(
      Code.DEADLINE_EXCEEDED,
      `the deadline had passed before ${this.facts.method} of '${this.facts.service}' was called`,
      { ...this.facts, reached: false },
    );
  }

  /** What the channel is told of the call; its time counts from now. */
  head(): CallHead {
    const { service, method } = this.facts;
    return { service, path: method, metadata: this.metadata, leftMs: this.#deadlineAt - this.#now() };
  }

  /** Calls `cancel` once when something ends the call before it ends by itself. */
  watch(cancel: () => void): void {
    if (this.#signals.length === 0) return;
    this.#stops = this.#signals.map(([signal, why]) => {
      const abort = (): void => {
        this.#cancelled ??= this.#aborted(why, true);
        this.over();
        cancel();
      };
      signal.addEventListener('abort', abort, { once: true });
      return () => signal.removeEventListener('abort', abort);
    });
  }

  /** The call has ended: nothing listens for it any more. */
  over(): void {
    const stops = this.#stops;
    this.#stops = noStops;
    for (const stop of stops) stop();
  }

  /** Why we cancelled the call, or null when we did not. */
  get cancelled(): MeshError | null {
    return this.#cancelled;
  }

  #aborted(why: string, reached: boolean): MeshError {
    return new MeshError(Code.CANCELLED, why, { ...this.facts, reached });
  }
}

const noStops: (() => void)[] = [];

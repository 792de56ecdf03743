import { Code } from '../sidecar/core/status.ts';
import { Cancellation, type Context, inboundContext, type LiveContext, type Now } from './context.ts';
import type { Incoming } from './incoming.ts';
import { MeshError } from './mesh-error.ts';
import { Metadata } from './metadata.ts';
import type { Span } from './span.ts';

/**
 * What whoever serves a call is given beside the request: its context, and the words that frame the reply.
 *
 * @example
 * const reserve = async ({ sku }: { sku: string }, call: InboundCall) => {
 *   call.trailers.set('x-shelf', '4');
 *   return { left: call.flags.boolean('half', false) ? sku.length / 2 : sku.length };
 * };
 * const served = await mesh.serve(Inventory, { ...stock, reserve }, { port: 0 });
 * await served.stop();
 */
export interface InboundCall extends Context {
  /** The caller's metadata; the words of the mesh are read already. */
  readonly metadata: Metadata;
  /** Set what shall go with the status, before answering. */
  readonly trailers: Metadata;
  /** Sends metadata before the first message; once. */
  sendHeaders(metadata: Metadata): void;
}

/** One call being served, from its first byte to its status. */
export class Visit {
  readonly context: LiveContext;
  readonly call: InboundCall;
  /** The status is on its way, or the caller is gone. */
  over = false;

  /** `span` tells of the call, and is the parent of what is done for it; null: nothing does. */
  constructor(incoming: Incoming, now: Now, span: Span | null) {
    const cancelling = new Cancellation();
    incoming.watch(() => {
      this.over = true;
      cancelling.abort(new MeshError(Code.CANCELLED, 'the caller cancelled, is gone, or ran out of time'));
    });
    const { metadata, path, leftMs } = incoming;
    this.context = inboundContext(metadata, path, leftMs, cancelling, now, span?.traceparent);
    span?.about(this.context.correlationId, this.context);
    this.call = new Inbound(this.context, incoming);
  }
}

class Inbound implements InboundCall {
  readonly #context: LiveContext;
  readonly #incoming: Incoming;
  readonly trailers: Metadata = new Metadata();

  constructor(context: LiveContext, incoming: Incoming) {
    this.#context = context;
    this.#incoming = incoming;
  }

  get metadata(): Metadata {
    return this.#incoming.metadata;
  }

  sendHeaders(metadata: Metadata): void {
    this.#incoming.sendHeaders(metadata);
  }

  get correlationId(): string {
    return this.#context.correlationId;
  }

  get caller(): string {
    return this.#context.caller;
  }

  get method(): string {
    return this.#context.method;
  }

  get flags(): Context['flags'] {
    return this.#context.flags;
  }

  get deadline(): Date | null {
    return this.#context.deadline;
  }

  remainingMs(): number {
    return this.#context.remainingMs();
  }

  get signal(): AbortSignal {
    return this.#context.signal;
  }

  get traceparent(): string {
    return this.#context.traceparent;
  }

  get tracestate(): string {
    return this.#context.tracestate;
  }

  get baggage(): string {
    return this.#context.baggage;
  }

  headers(): Record<string, string> {
    return this.#context.headers();
  }
}

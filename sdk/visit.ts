import { Code } from '../sidecar/core/status.ts';
import { type Context, cancellation, inboundContext, type LiveContext, type Now } from './context.ts';
import { Metadata } from './grpc.ts';
import { MeshError } from './mesh-error.ts';

/** What whoever serves a call is given beside the request: its context, and the words that frame the reply. */
export interface InboundCall extends Context {
  /** The caller's metadata; the words of the mesh are read already. */
  readonly metadata: Metadata;
  /** Set what shall go with the status, before answering. */
  readonly trailers: Metadata;
  /** Sends metadata before the first message; once. */
  sendHead(metadata: Metadata): void;
}

/** The part of a grpc-js server call that all four kinds share. */
export interface RawCall {
  readonly metadata: Metadata;
  getDeadline(): Date | number;
  getPath(): string;
  sendMetadata(metadata: Metadata): void;
  on(event: 'cancelled', listener: () => void): unknown;
}

/** One call being served, from its first byte to its status. */
export class Visit {
  readonly context: LiveContext;
  readonly call: InboundCall;
  /** The status is on its way, or the caller is gone. */
  over = false;
  #wake: (() => void) | null = null;

  constructor(raw: RawCall, now: Now) {
    const controller = cancellation();
    // grpc-js says `cancelled` at the end of every call, of answered ones too.
    raw.on('cancelled', () => {
      if (!this.over) {
        this.over = true;
        controller.abort(new MeshError(Code.CANCELLED, 'the caller cancelled, is gone, or ran out of time'));
      }
      this.#wake?.();
    });
    this.context = inboundContext(raw.metadata, raw.getPath(), raw.getDeadline(), controller.signal, now);
    this.call = Object.create(this.context, {
      metadata: { value: raw.metadata, enumerable: true },
      trailers: { value: new Metadata(), enumerable: true },
      sendHead: { value: (metadata: Metadata) => raw.sendMetadata(metadata), enumerable: true },
    }) as InboundCall;
  }

  /** Resolves when `call` takes messages again, or when nobody wants them any more. */
  drained(call: { once(event: 'drain', listener: () => void): unknown }): Promise<void> {
    if (this.over) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
      call.once('drain', resolve);
    });
  }
}

import { Code } from '../sidecar/core/status.ts';
import { messageOf } from '../sidecar/core/thrown.ts';
import type { CallListener, End, Line } from './channel.ts';
import { MeshError, meshErrorOf } from './mesh-error.ts';
import type { Metadata } from './metadata.ts';
import type { Outbound } from './outbound.ts';
import type { MethodShape } from './shape.ts';

/** What yields the requests of a stream. */
type Requests = AsyncIterable<unknown> | Iterable<unknown>;

/** Stands for "no error", because anything can be thrown. */
const nothing: unique symbol = Symbol('nothing');

/** One call, from its first message to its end: messages go out no faster than they are taken, and come as they are asked for. */
export class Exchange implements CallListener {
  readonly #method: MethodShape;
  readonly #outbound: Outbound;
  readonly #sidecar: string;
  readonly #line: Line;
  #isOpen = false;
  #end: End | null = null;
  /** What the app's own requests threw. */
  #broken: unknown = nothing;
  /** Whoever waits for a message or the end. */
  #wakeReader: (() => void) | null = null;
  /** Whoever sends, and waits to go on. */
  #wakeWriter: (() => void) | null = null;
  /** Who yields requests, and must be told when nobody listens any more. */
  #requests: AsyncIterator<unknown> | Iterator<unknown> | null = null;
  #message: Buffer | null = null;

  /** Begins the call. Throws when its only request does not fit the definition: then nothing is sent. */
  constructor(
    method: MethodShape,
    outbound: Outbound,
    sidecar: string,
    requests: unknown,
    open: (listener: CallListener) => Line,
  ) {
    this.#method = method;
    this.#outbound = outbound;
    this.#sidecar = sidecar;
    const only = method.requestStream ? null : this.#encoded(requests);
    this.#line = open(this);
    this.#isOpen = true;
    outbound.watch(() => this.#line.cancel());
    if (only === null) void this.#feed(requests as Requests).catch((thrown: unknown) => this.#break(thrown));
    else {
      this.#line.send(only, () => {});
      this.#line.end();
    }
  }

  // What the channel says.

  headers(metadata: Metadata): void {
    try {
      this.#outbound.options.onHeaders?.(metadata);
    } catch (thrown) {
      this.#break(thrown);
    }
  }

  message(octets: Buffer): void {
    this.#message = octets;
    this.#wake();
  }

  ended(end: End): void {
    this.#end = end;
    this.#outbound.over();
    try {
      this.#outbound.options.onTrailers?.(end.trailers);
    } catch (thrown) {
      if (this.#broken === nothing) this.#broken = thrown;
    }
    this.#wake();
    this.#wakeWriter?.();
    const requests = this.#requests;
    // Later: the call may have ended while they were asked for the next one.
    if (requests !== null)
      Promise.resolve()
        .then(() => requests.return?.())
        .catch(() => {});
  }

  // What the app hears.

  /** The only answer. */
  async reply(): Promise<unknown> {
    const octets = await this.#next();
    // The call has gone well when its status says so, and not before.
    if (octets !== null && (await this.#next()) !== null) {
      this.#line.cancel();
      throw this.#ours(Code.INTERNAL, 'the peer answered with more than one message');
    }
    const end = this.#end!;
    if (end.code !== Code.OK) throw this.#failure(end);
    if (this.#broken !== nothing) throw this.#broken;
    if (octets === null) throw this.#ours(Code.INTERNAL, 'the peer said OK and sent no message');
    return this.#decoded(octets);
  }

  /** All answers, in order. Leaving the loop cancels what still runs. */
  async *replies(): AsyncGenerator<unknown, void, undefined> {
    try {
      for (;;) {
        const octets = await this.#next();
        if (octets === null) break;
        yield this.#decoded(octets);
      }
      if (this.#end!.code !== Code.OK) throw this.#failure(this.#end!);
      if (this.#broken !== nothing) throw this.#broken;
    } finally {
      if (this.#end === null) this.#line.cancel();
      this.#outbound.over();
    }
  }

  /** The next message; null when the call has ended. */
  async #next(): Promise<Buffer | null> {
    if (this.#end === null) {
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
        this.#line.read();
      });
    }
    const octets = this.#message;
    this.#message = null;
    return octets;
  }

  #wake(): void {
    const wake = this.#wakeReader;
    this.#wakeReader = null;
    wake?.();
  }

  /** Sends what `requests` yields, and half-closes. */
  async #feed(requests: Requests): Promise<void> {
    const iterator =
      Symbol.asyncIterator in requests ? requests[Symbol.asyncIterator]() : requests[Symbol.iterator]();
    this.#requests = iterator;
    for (;;) {
      const { done, value } = await iterator.next();
      if (this.#end !== null) return;
      if (done === true) break;
      const octets = this.#encoded(value);
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve;
        this.#line.send(octets, resolve);
      });
      if (this.#end !== null) return;
    }
    this.#requests = null;
    this.#line.end();
  }

  #break(thrown: unknown): void {
    if (this.#end !== null) return;
    this.#broken = thrown;
    this.#line.cancel();
  }

  #encoded(message: unknown): Buffer {
    try {
      return this.#method.request.encode(message);
    } catch (error) {
      throw this.#ours(
        Code.INVALID_ARGUMENT,
        `the request does not fit its definition: ${messageOf(error)}`,
        error,
      );
    }
  }

  #decoded(octets: Buffer): unknown {
    try {
      return this.#method.reply.decode(octets);
    } catch (error) {
      throw this.#ours(Code.INTERNAL, `the answer does not fit its definition: ${messageOf(error)}`, error);
    }
  }

  #failure(end: End): unknown {
    if (this.#broken !== nothing) return this.#broken;
    return this.#outbound.cancelled ?? meshErrorOf(end, this.#sidecar, this.#outbound.facts);
  }

  #ours(code: Code, message: string, cause?: unknown): MeshError {
    const { facts } = this.#outbound;
    return new MeshError(code, `${facts.method} of '${facts.service}': ${message}`, {
      ...facts,
      reached: this.#isOpen,
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

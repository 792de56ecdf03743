import type {
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  UntypedHandleCall,
} from '@grpc/grpc-js';
import { Code } from '../../sidecar/core/status.ts';
import type { Answered, Answerer, Incoming } from '../incoming.ts';
import { MeshError } from '../mesh-error.ts';
import type { Metadata } from '../metadata.ts';
import type { MethodShape } from '../shape.ts';
import { fromGrpc, type Grpc, toGrpc } from './load.ts';

type Octets = Buffer;
type Unary = ServerUnaryCall<Octets, Octets>;
type Reading = ServerReadableStream<Octets, Octets>;
type Writing = ServerWritableStream<Octets, Octets>;
type Both = ServerDuplexStream<Octets, Octets>;
type Raw = Unary | Reading | Writing | Both;
/** How grpc-js takes the answer of a single reply. */
type Respond = (error: object | null, octets?: Octets, trailers?: object) => void;

/** A method in the words of grpc-js: octets in, octets out. */
export const grpcMethod = ({
  path,
  requestStream,
  responseStream,
}: MethodShape): ServiceDefinition[string] => ({
  path,
  requestStream,
  responseStream,
  requestSerialize: asTheyAre,
  requestDeserialize: asTheyAre,
  responseSerialize: asTheyAre,
  responseDeserialize: asTheyAre,
});

const asTheyAre = (octets: Buffer): Buffer => octets;

/** What grpc-js calls when a call of `method` comes. */
export const grpcHandler = (grpc: Grpc, method: MethodShape, answer: Answerer): UntypedHandleCall => {
  const handler = method.responseStream
    ? (raw: Writing & Both) => void answer(new Streaming(grpc, method, raw))
    : (raw: Unary & Reading, respond: Respond) => void answer(new Single(grpc, method, raw, respond));
  // What it is called with follows from the method's definition.
  return handler as unknown as UntypedHandleCall;
};

/** Turns of the event loop after which a reset has been heard of; one was too few on a busy machine. */
const mostTicks = 4;

/** The part that all four kinds share. */
abstract class Call implements Incoming {
  readonly path: string;
  readonly metadata: Metadata;
  protected readonly grpc: Grpc;
  protected isOver = false;
  readonly #raw: Raw;
  readonly #requests: AsyncIterator<Octets> | null;
  #isRead = false;
  #gone: (() => void) | null = null;

  constructor(grpc: Grpc, method: MethodShape, raw: Raw) {
    this.grpc = grpc;
    this.#raw = raw;
    this.path = method.path;
    this.metadata = fromGrpc(raw.metadata);
    // Kept whole when its end is read first: a bidirectional call still answers.
    this.#requests = method.requestStream ? (raw as Both).iterator({ destroyOnReturn: false }) : null;
    // grpc-js says `cancelled` at the end of every call, of answered ones too.
    (raw as Unary).on('cancelled', () => this.#cancelled());
  }

  get leftMs(): number {
    return Number(this.#raw.getDeadline()) - Date.now();
  }

  async read(): Promise<Octets | null> {
    if (this.#requests === null) {
      if (this.#isRead) return null;
      this.#isRead = true;
      return (this.#raw as Unary).request;
    }
    try {
      const { done, value } = await this.#requests.next();
      if (done !== true) return value;
    } catch (error) {
      throw new MeshError(Code.CANCELLED, goneWhileSending, { cause: error });
    }
    // To grpc-js a reset ends the requests first and cancels the call some ticks later: half an upload must not pass for a whole one.
    for (let tick = 0; tick < mostTicks && !this.isOver; tick++)
      await new Promise((resolve) => setImmediate(resolve));
    if (this.isOver) throw new MeshError(Code.CANCELLED, goneWhileSending);
    return null;
  }

  sendHeaders(metadata: Metadata): void {
    if (!this.isOver) this.#raw.sendMetadata(toGrpc(this.grpc, metadata));
  }

  watch(gone: () => void): void {
    this.#gone = gone;
  }

  abstract write(octets: Octets): Promise<void>;
  abstract end(answered: Answered): void;

  protected cancelled(): void {}

  #cancelled(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#gone?.();
    this.cancelled();
  }
}

/** Unary and client-streaming calls: one reply. */
class Single extends Call {
  readonly #respond: Respond;
  #reply: Octets | undefined;

  constructor(grpc: Grpc, method: MethodShape, raw: Unary & Reading, respond: Respond) {
    super(grpc, method, raw);
    this.#respond = respond;
  }

  async write(octets: Octets): Promise<void> {
    this.#reply = octets;
  }

  end({ code, message, trailers }: Answered): void {
    if (this.isOver) return;
    this.isOver = true;
    const metadata = toGrpc(this.grpc, trailers);
    if (code === Code.OK) this.#respond(null, this.#reply, metadata);
    else this.#respond({ code, details: message, metadata });
  }
}

/** Server-streaming and bidirectional calls. */
class Streaming extends Call {
  readonly #raw: Writing & Both;
  #wake: (() => void) | null = null;

  constructor(grpc: Grpc, method: MethodShape, raw: Writing & Both) {
    super(grpc, method, raw);
    this.#raw = raw;
  }

  async write(octets: Octets): Promise<void> {
    if (this.isOver || this.#raw.write(octets)) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#raw.once('drain', resolve);
    });
  }

  end({ code, message, trailers }: Answered): void {
    if (this.isOver) return;
    this.isOver = true;
    const metadata = toGrpc(this.grpc, trailers);
    if (code === Code.OK) this.#raw.end(metadata);
    else this.#raw.emit('error', { code, details: message, metadata });
  }

  protected override cancelled(): void {
    this.#wake?.();
  }
}

const goneWhileSending = 'the caller cancelled while it was sending';

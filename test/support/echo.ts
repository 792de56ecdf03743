import { createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { echoDefinition } from './echo-methods.ts';

/** What a call looked like when it reached the app. */
export interface Seen {
  readonly path: string;
  readonly host: string;
  readonly metadata: grpc.Metadata;
  /** Milliseconds left on arrival; Infinity without a deadline. */
  readonly leftMs: number;
}

/** An echo app of another make (grpc-js), as `echo-methods.ts` describes it. */
export interface EchoApp {
  readonly port: number;
  /** As the settings take it: `{ port }` or `{ socket }`. */
  readonly place: { readonly port: number } | { readonly socket: string };
  /** Calls that arrived, in order. */
  readonly seen: Seen[];
  /** Keys of `Slow` calls that were cancelled here, and by the deadline that passed. */
  readonly cancelled: Set<string>;
  /** Set to a code: every call ends with it, and grpc.health.v1 says NOT_SERVING. */
  failing: grpc.status | null;
  /** What a failing app says of trying again, in grpc-retry-pushback-ms. */
  pushback: string | null;
  /** Calls that ended because of `failing`. */
  failed: number;
  /**
   * Unary calls are answered so late; Infinity: never. `cancelled` has the requests of those for which nobody waited.
   */
  delayMs: number;
  /** Hears the request of each unary call that is carried out, before it is answered. */
  book: ((request: Buffer) => void) | null;
  /** Stops taking calls and ends those in progress. Safe to call again. */
  close(): void;
}

/** Starts it at `place`, a free port of loopback by default. */
export const startEcho = async (at: string = '127.0.0.1:0'): Promise<EchoApp> => {
  const app = new Echo();
  await app.open(at);
  return app;
};

type Bytes = Buffer;

/** grpc.health.v1, whose messages are short enough to be written by hand: field 1, a varint. */
const healthDefinition: grpc.ServiceDefinition = {
  Check: {
    path: '/grpc.health.v1.Health/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: (octets: Buffer) => octets,
    requestDeserialize: (octets: Buffer) => octets,
    responseSerialize: (octets: Buffer) => octets,
    responseDeserialize: (octets: Buffer) => octets,
  },
};
const serving = 1;
const notServing = 2;

class Echo implements EchoApp {
  port = 0;
  place: { port: number } | { socket: string } = { port: 0 };
  readonly seen: Seen[] = [];
  readonly cancelled: Set<string> = new Set();
  failing: grpc.status | null = null;
  pushback: string | null = null;
  failed = 0;
  delayMs = 0;
  book: ((request: Buffer) => void) | null = null;
  readonly #events = new EventEmitter().setMaxListeners(0);
  readonly #server = new grpc.Server({
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
  });

  async open(at: string): Promise<void> {
    this.#server.addService(echoDefinition(), {
      Unary: this.#unary((request, call) => ({ answer: request, trailers: trailersOf(call.metadata) })),
      Timeout: this.#unary((_, call) => ({ answer: Buffer.from(String(leftMs(call))) })),
      Fail: this.#unary((request) => ({ error: wanted(request) })),
      Cancelled: this.#unary(async (request) => ({ answer: await this.#whenCancelled(String(request)) })),
      Slow: (call: grpc.ServerUnaryCall<Bytes, Bytes>) => this.#hold(call),
      Hold: (call: grpc.ServerWritableStream<Bytes, Bytes>) => {
        this.#hold(call);
        call.write(call.request);
      },
      Collect: (call: grpc.ServerReadableStream<Bytes, Bytes>, answer: grpc.sendUnaryData<Bytes>) => {
        this.#note(call);
        const hash = createHash('sha256');
        const sum = { count: 0, bytes: 0, sha256: '' };
        call.on('data', (message: Bytes) => {
          sum.count++;
          sum.bytes += message.length;
          hash.update(message);
        });
        call.on('end', () =>
          answer(null, Buffer.from(JSON.stringify({ ...sum, sha256: hash.digest('hex') }))),
        );
      },
      Repeat: async (call: grpc.ServerWritableStream<Bytes, Bytes>) => {
        this.#note(call);
        const { count, size } = JSON.parse(String(call.request)) as { count: number; size: number };
        for (let i = 0; i < count && !call.cancelled; i++)
          if (!call.write(Buffer.alloc(size, i % 251))) await once(call, 'drain').catch(() => {});
        call.end(trailersOf(call.metadata));
      },
      Bidi: (call: grpc.ServerDuplexStream<Bytes, Bytes>) => {
        if (this.#refused(call)) return;
        call.on('data', (message: Bytes) => {
          if (!call.write(message)) {
            call.pause();
            call.once('drain', () => call.resume());
          }
        });
        call.on('end', () => call.end(trailersOf(call.metadata)));
        call.on('error', () => {});
        call.on('cancelled', () => this.#events.emit('cancelled'));
      },
      Early: (call: grpc.ServerDuplexStream<Bytes, Bytes>) => {
        this.#note(call);
        call.once('data', () => call.emit('error', { code: grpc.status.OUT_OF_RANGE, details: 'enough' }));
        call.on('error', () => {});
      },
    });
    this.#server.addService(healthDefinition, {
      Check: (_: unknown, answer: grpc.sendUnaryData<Bytes>) =>
        answer(null, Buffer.from([8, this.failing === null ? serving : notServing])),
    });
    const bound = await new Promise<number>((resolve, reject) =>
      this.#server.bindAsync(at, grpc.ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      ),
    );
    this.port = bound;
    this.place = at.startsWith('unix:') ? { socket: at.slice(5) } : { port: bound };
  }

  close(): void {
    this.#server.forceShutdown();
  }

  #unary(act: Act): grpc.handleUnaryCall<Bytes, Bytes> {
    return (call, answer) => {
      this.#note(call);
      if (this.failing !== null) return answer(this.#failure(this.failing));
      this.book?.(call.request);
      if (this.delayMs > 0) this.#whenGone(call);
      if (this.delayMs === Number.POSITIVE_INFINITY) return;
      void this.#delayed(act, call).then((outcome) => {
        if (outcome === null) return;
        if ('error' in outcome) return answer(outcome.error);
        call.sendMetadata(headersOf(call.metadata));
        answer(null, outcome.answer, outcome.trailers);
      });
    };
  }

  /** Null when nobody waits any more. */
  async #delayed(act: Act, call: grpc.ServerUnaryCall<Bytes, Bytes>): Promise<Outcome | null> {
    if (this.delayMs > 0) await pause(this.delayMs);
    return call.cancelled ? null : act(call.request, call);
  }

  #hold(call: grpc.ServerUnaryCall<Bytes, Bytes> | grpc.ServerWritableStream<Bytes, Bytes>): void {
    this.#note(call);
    this.#whenGone(call);
  }

  #failure(code: grpc.status): Partial<grpc.StatusObject> {
    this.failed++;
    const metadata = new grpc.Metadata();
    if (this.pushback !== null) metadata.set('grpc-retry-pushback-ms', this.pushback);
    return { code, details: 'told to fail', metadata };
  }

  #whenGone(call: grpc.ServerUnaryCall<Bytes, Bytes> | grpc.ServerWritableStream<Bytes, Bytes>): void {
    const cancelled = (): void => {
      this.cancelled.add(String(call.request));
      this.#events.emit('cancelled');
    };
    if (call.cancelled) cancelled();
    else call.on('cancelled', cancelled);
  }

  #refused(call: grpc.ServerDuplexStream<Bytes, Bytes>): boolean {
    this.#note(call);
    if (this.failing !== null) {
      call.emit('error', this.#failure(this.failing));
      return true;
    }
    call.sendMetadata(headersOf(call.metadata));
    return false;
  }

  #note(call: {
    getPath(): string;
    getHost(): string;
    metadata: grpc.Metadata;
    getDeadline(): grpc.Deadline;
  }): void {
    this.seen.push({
      path: call.getPath(),
      host: call.getHost(),
      metadata: call.metadata,
      leftMs: leftMs(call),
    });
  }

  async #whenCancelled(key: string): Promise<Bytes> {
    const until = AbortSignal.timeout(5000);
    while (!this.cancelled.has(key) && !until.aborted)
      await once(this.#events, 'cancelled', { signal: until }).catch(() => {});
    return Buffer.from(this.cancelled.has(key) ? 'yes' : 'no');
  }
}

type Act = (request: Bytes, call: grpc.ServerUnaryCall<Bytes, Bytes>) => Outcome | Promise<Outcome>;
type Outcome =
  | { readonly answer: Bytes; readonly trailers?: grpc.Metadata }
  | { readonly error: Partial<grpc.StatusObject> };

const leftMs = (call: { getDeadline(): grpc.Deadline }): number => Number(call.getDeadline()) - Date.now();

const wanted = (request: Bytes): Partial<grpc.StatusObject> => {
  const { code, message, details } = JSON.parse(String(request)) as {
    code: number;
    message: string;
    details: string;
  };
  const metadata = new grpc.Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from(details, 'hex'));
  return { code, details: message, metadata };
};

/** What came as `x-echo-*` goes back in the headers as it came, and in the trailers as `x-trail-*`. */
const headersOf = (metadata: grpc.Metadata): grpc.Metadata => echoed(metadata, 'x-echo-');
const trailersOf = (metadata: grpc.Metadata): grpc.Metadata => echoed(metadata, 'x-trail-');

const echoed = (metadata: grpc.Metadata, prefix: string): grpc.Metadata => {
  const back = new grpc.Metadata();
  for (const key of Object.keys(metadata.getMap()))
    if (key.startsWith('x-echo-'))
      for (const value of metadata.get(key)) back.add(prefix + key.slice('x-echo-'.length), value);
  return back;
};

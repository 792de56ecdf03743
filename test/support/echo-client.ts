import * as grpc from '@grpc/grpc-js';
import { type EchoMethod, echoDefinition } from './echo-methods.ts';

/** How a call ended. */
export interface Ended {
  readonly code: grpc.status;
  readonly message: string;
  readonly trailers: grpc.Metadata;
}

/** What a unary call or a client stream came to. */
export interface Answer extends Ended {
  /** Null when there was none. */
  readonly answer: Buffer | null;
  readonly headers: grpc.Metadata;
}

/** A stream of either kind that answers with messages. */
export interface Answers {
  readonly call: grpc.ClientDuplexStream<Buffer, Buffer>;
  /** Messages that came, in order. */
  readonly messages: Buffer[];
  readonly headers: Promise<grpc.Metadata>;
  readonly ended: Promise<Ended>;
}

/** What a call may say beside its message. */
export interface CallWords extends Omit<grpc.CallOptions, 'deadline'> {
  /** A list of pairs; a Buffer for names that end with -bin. */
  readonly metadata?: readonly (readonly [string, string | Buffer])[] | undefined;
  readonly deadlineMs?: number | undefined;
}

/** A client of the echo service (grpc-js), without retries of its own, so that what a test sees is the mesh's doing. */
export class EchoClient {
  readonly #client: grpc.Client & Record<string, unknown>;

  /** `target`: `host:port` or `unix:PATH`. `grpc.default_authority` names the service. */
  constructor(target: string, options: grpc.ChannelOptions = {}) {
    const Client = grpc.makeGenericClientConstructor(echoDefinition(), 'Echo');
    this.#client = new Client(target, grpc.credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.enable_retries': 0,
      ...options,
    }) as unknown as grpc.Client & Record<string, unknown>;
  }

  /** A unary call. */
  call(
    method: EchoMethod,
    request: Buffer | string | object = Buffer.alloc(0),
    words: CallWords = {},
  ): Promise<Answer> {
    return this.begin(method, request, words).ended;
  }

  /** The same, with the call at hand so that it can be cancelled. */
  begin(
    method: EchoMethod,
    request: Buffer | string | object,
    words: CallWords = {},
  ): { readonly call: grpc.ClientUnaryCall; readonly ended: Promise<Answer> } {
    let call!: grpc.ClientUnaryCall;
    const ended = new Promise<Answer>((resolve) => {
      let answer: Buffer | null = null;
      let headers = new grpc.Metadata();
      call = this.#method(method)(
        octetsOf(request),
        metadataOf(words),
        optionsOf(words),
        (_: unknown, value: Buffer) => {
          answer = value ?? null;
        },
      ) as grpc.ClientUnaryCall;
      call.on('metadata', (received) => {
        headers = received;
      });
      call.on('status', (status) => resolve({ ...endedOf(status), answer, headers }));
    });
    return { call, ended };
  }

  /** A client stream: all messages, then half-close. */
  collect(messages: readonly Buffer[], words: CallWords = {}): Promise<Answer> {
    return new Promise<Answer>((resolve) => {
      let answer: Buffer | null = null;
      let headers = new grpc.Metadata();
      const call = this.#method('Collect')(
        metadataOf(words),
        optionsOf(words),
        (_: unknown, value: Buffer) => {
          answer = value ?? null;
        },
      ) as grpc.ClientWritableStream<Buffer>;
      call.on('metadata', (received: grpc.Metadata) => {
        headers = received;
      });
      call.on('status', (status: grpc.StatusObject) => resolve({ ...endedOf(status), answer, headers }));
      for (const message of messages) call.write(message);
      call.end();
    });
  }

  /** A server stream. */
  repeat(count: number, size: number, words: CallWords = {}): Answers {
    const request = octetsOf({ count, size });
    return this.#follow(this.#method('Repeat')(request, metadataOf(words), optionsOf(words)));
  }

  /** A stream in both directions. */
  bidi(words: CallWords = {}, method: 'Bidi' | 'Early' = 'Bidi'): Answers {
    return this.#follow(this.#method(method)(metadataOf(words), optionsOf(words)));
  }

  /** A unary call of any path, byte for byte as given. */
  raw(path: string, request: Buffer = Buffer.alloc(0), words: CallWords = {}): Promise<Ended> {
    const asIs = (octets: Buffer): Buffer => octets;
    return new Promise((resolve) => {
      this.#client
        .makeUnaryRequest(path, asIs, asIs, request, metadataOf(words), optionsOf(words), () => {})
        .on('status', (status) => resolve(endedOf(status)));
    });
  }

  close(): void {
    this.#client.close();
  }

  #method(name: EchoMethod): (...args: unknown[]) => unknown {
    return (this.#client[name] as (...args: unknown[]) => unknown).bind(this.#client);
  }

  #follow(made: unknown): Answers {
    const call = made as grpc.ClientDuplexStream<Buffer, Buffer>;
    const messages: Buffer[] = [];
    call.on('data', (message: Buffer) => messages.push(message));
    call.on('error', () => {});
    const headers = new Promise<grpc.Metadata>((resolve) => call.on('metadata', resolve));
    const ended = new Promise<Ended>((resolve) =>
      call.on('status', (status: grpc.StatusObject) => resolve(endedOf(status))),
    );
    return { call, messages, headers, ended };
  }
}

const octetsOf = (request: Buffer | string | object): Buffer => {
  if (Buffer.isBuffer(request)) return request;
  return Buffer.from(typeof request === 'string' ? request : JSON.stringify(request));
};

const metadataOf = ({ metadata = [] }: CallWords): grpc.Metadata => {
  const made = new grpc.Metadata();
  for (const [key, value] of metadata) made.add(key, value);
  return made;
};

const optionsOf = ({ metadata: _, deadlineMs, ...options }: CallWords): grpc.CallOptions => ({
  ...options,
  ...(deadlineMs !== undefined && { deadline: Date.now() + deadlineMs }),
});

const endedOf = ({ code, details, metadata }: grpc.StatusObject): Ended => ({
  code,
  message: details,
  trailers: metadata,
});

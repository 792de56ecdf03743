import type { AsyncLocalStorage } from 'node:async_hooks';
import type { LiveContext, Now } from './context.ts';
import { type Definition, methodName } from './definition.ts';
import type {
  Client as Channel,
  ClientDuplexStream,
  ClientReadableStream,
  MethodDefinition,
  ServiceError,
} from './grpc.ts';
import { fromServiceError, type MeshError } from './mesh-error.ts';
import { type CallOptions, Outbound } from './outbound.ts';
import { feed, nothing } from './streams.ts';

/** A client: the methods of the service's interface, each with options behind its request. */
export type Client<S> = {
  readonly [Method in keyof S]: S[Method] extends (input: infer Input) => infer Output
    ? (input: Loose<Input>, options?: CallOptions) => Output
    : never;
};

/** Where an interface takes a stream, a caller may hand over anything that can be iterated. */
export type Loose<Input> =
  Input extends AsyncIterable<infer Message> ? AsyncIterable<Message> | Iterable<Message> : Input;

/** What a client needs of its mesh. */
export interface ClientHome {
  readonly channel: Channel;
  /** Where the sidecar is, for messages. */
  readonly sidecar: string;
  readonly contexts: AsyncLocalStorage<LiveContext>;
  readonly now: Now;
}

type Method = MethodDefinition<unknown, unknown>;
type Messages = AsyncIterable<unknown> | Iterable<unknown>;

/** A client of `service`: every call names it in `:authority`, so that one connection serves them all. */
export const makeClient = <S>(home: ClientHome, definition: Definition<S>, service: string): Client<S> => {
  const client: Record<string, unknown> = {};
  for (const [name, method] of Object.entries(definition) as [string, Method][]) {
    const begin = (options: CallOptions = {}): Outbound =>
      new Outbound(home.contexts.getStore() ?? null, service, method.path, options, home.now);
    client[methodName(name)] = method.responseStream
      ? method.requestStream
        ? (requests: Messages, options?: CallOptions) => bidi(home, method, requests, begin(options))
        : (request: unknown, options?: CallOptions) => serverStream(home, method, request, begin(options))
      : method.requestStream
        ? async (requests: Messages, options?: CallOptions) =>
            clientStream(home, method, requests, begin(options))
        : async (request: unknown, options?: CallOptions) => unary(home, method, request, begin(options));
  }
  return client as Client<S>;
};

const failure = (home: ClientHome, outbound: Outbound, error: ServiceError): MeshError =>
  outbound.cancelled ?? fromServiceError(error, home.sidecar, outbound.facts);

const unary = (home: ClientHome, method: Method, request: unknown, outbound: Outbound): Promise<unknown> => {
  const refusal = outbound.refusal();
  if (refusal !== null) return Promise.reject(refusal);
  return new Promise((resolve, reject) => {
    const call = home.channel.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      outbound.metadata,
      outbound.grpcOptions(),
      (error, reply) => {
        outbound.over();
        if (error === null) resolve(reply);
        else reject(failure(home, outbound, error));
      },
    );
    outbound.watch(() => call.cancel());
  });
};

const clientStream = (
  home: ClientHome,
  method: Method,
  requests: Messages,
  outbound: Outbound,
): Promise<unknown> => {
  const refusal = outbound.refusal();
  if (refusal !== null) return Promise.reject(refusal);
  return new Promise((resolve, reject) => {
    let broken: unknown = nothing;
    const call = home.channel.makeClientStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      outbound.metadata,
      outbound.grpcOptions(),
      (error, reply) => {
        outbound.over();
        if (error === null) resolve(reply);
        else reject(broken === nothing ? failure(home, outbound, error) : broken);
      },
    );
    outbound.watch(() => call.cancel());
    feed(call, requests).catch((error: unknown) => {
      broken = error;
      call.cancel();
    });
  });
};

const serverStream = (
  home: ClientHome,
  method: Method,
  request: unknown,
  outbound: Outbound,
): AsyncIterable<unknown> =>
  replies(home, outbound, () =>
    home.channel.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      outbound.metadata,
      outbound.grpcOptions(),
    ),
  );

const bidi = (
  home: ClientHome,
  method: Method,
  requests: Messages,
  outbound: Outbound,
): AsyncIterable<unknown> =>
  replies(home, outbound, (broke) => {
    const call = home.channel.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      outbound.metadata,
      outbound.grpcOptions(),
    );
    feed(call, requests).catch(broke);
    return call;
  });

/**
 * The replies of a call that begins with the first look at them: a stream that nobody reads is never opened, because
 * grpc-js would buffer it without bound. Leaving the loop cancels what still runs.
 */
async function* replies(
  home: ClientHome,
  outbound: Outbound,
  open: (
    broke: (error: unknown) => void,
  ) => ClientReadableStream<unknown> | ClientDuplexStream<unknown, unknown>,
): AsyncGenerator<unknown, void, undefined> {
  const refusal = outbound.refusal();
  if (refusal !== null) throw refusal;
  let broken: unknown = nothing;
  let over = false;
  const call = open((error) => {
    broken = error;
    call.cancel();
  });
  // Also keeps the error of a call that was left from ending the process.
  call.on('error', () => {});
  call.once('status', () => {
    over = true;
    outbound.over();
  });
  outbound.watch(() => call.cancel());
  try {
    // The duplex stays whole when its replies end first: the requests are fed until the call is over.
    yield* call.iterator({ destroyOnReturn: false });
  } catch (error) {
    throw broken === nothing ? failure(home, outbound, error as ServiceError) : broken;
  } finally {
    outbound.over();
    if (!over) call.cancel();
  }
}

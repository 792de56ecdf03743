import { AsyncLocalStorage } from 'node:async_hooks';
import type { Channel } from './channel.ts';
import type { LiveContext, Now } from './context.ts';
import { Exchange } from './exchange.ts';
import { type ClientCall, type Messages, type Middleware, through } from './middleware.ts';
import { type CallOptions, Outbound } from './outbound.ts';
import { type MethodShape, shapeOf } from './shape.ts';
import { spanOfReplies, spanOfReply, type Tracing, tellSpan } from './span.ts';

/**
 * A client: the methods of the service's interface, each with options behind its request.
 *
 * @example
 * const reserveAll = (client: Client<Inventory>, skus: string[]) => Promise.all(skus.map((sku) => client.reserve({ sku })));
 * await reserveAll(inventory, ['oar', 'paddle']);
 */
export type Client<S> = {
  readonly [Method in keyof S]: S[Method] extends (input: infer Input) => infer Output
    ? (input: Loose<Input>, options?: CallOptions) => Output
    : never;
};

/**
 * Where an interface takes a stream, a caller may hand over anything that can be iterated.
 *
 * @example
 * const skus: Loose<AsyncIterable<{ sku: string }>> = [{ sku: 'oar' }, { sku: 'paddle' }];
 * for await (const { left } of inventory.count(skus)) console.log(left);
 */
export type Loose<Input> =
  Input extends AsyncIterable<infer Message> ? AsyncIterable<Message> | Iterable<Message> : Input;

/** What a client needs of its mesh. */
export interface ClientHome {
  /** The way to a service: it may change while the client lives. */
  channelTo(service: string): Channel;
  /** Where the sidecar is, for messages. */
  readonly sidecar: string;
  readonly contexts: AsyncLocalStorage<LiveContext>;
  readonly now: Now;
  readonly middleware: readonly Middleware<ClientCall>[];
  /** Null or absent: tracing is off. */
  readonly tracing?: Tracing | null;
  /** A call is made, inside `context` or outside of all. */
  begun(context: LiveContext | null, method: string): void;
}

/** A client of `service`: every call names it, so that one connection serves them all. */
export const makeClient = <S>(home: ClientHome, definition: object, service: string): Client<S> => {
  const client: Record<string, unknown> = {};
  for (const method of shapeOf(definition).methods) {
    const make = through(home.middleware, (call) => makeCall(home, method, call));
    const { path, requestStream, responseStream } = method;
    const call = (request: Messages, options: CallOptions): Promise<Messages> =>
      make({ service, method: path, requestStream, responseStream, request, options });
    client[method.name] = responseStream
      ? (request: Messages, options: CallOptions = {}) => onceRead(() => call(request, options))
      : async (request: Messages, options: CallOptions = {}) => call(request, options);
  }
  return client as Client<S>;
};

const makeCall = async (home: ClientHome, method: MethodShape, call: ClientCall): Promise<Messages> => {
  const context = home.contexts.getStore() ?? null;
  home.begun(context, method.path);
  const begin = (): Messages => beginCall(home, method, call, context);
  // Middleware may never look at the answers.
  return method.responseStream ? onceRead(begin) : begin();
};

const beginCall = (
  home: ClientHome,
  method: MethodShape,
  call: ClientCall,
  context: LiveContext | null,
): Messages => {
  const outbound = new Outbound(context, call.service, method.path, call.options, home.now);
  const span = home.tracing?.made(call.service, method.path, context) ?? null;
  if (span === null) return answerOf(home, method, call, outbound);
  span.about(outbound.facts.correlationId, context);
  tellSpan(outbound.metadata, span);
  try {
    const answer = answerOf(home, method, call, outbound);
    return method.responseStream
      ? spanOfReplies(span, answer as AsyncIterable<unknown>)
      : spanOfReply(span, answer as Promise<unknown>);
  } catch (refusal) {
    span.failed(refusal);
    throw refusal;
  }
};

/** The reply, or an iterable of replies. Throws for a call that must not be made. */
const answerOf = (home: ClientHome, method: MethodShape, call: ClientCall, outbound: Outbound): Messages => {
  const refusal = outbound.refusal();
  if (refusal !== null) throw refusal;
  const exchange = new Exchange(method, outbound, home.sidecar, call.request, (listener) =>
    home.channelTo(call.service).open(outbound.head(), listener),
  );
  return method.responseStream ? exchange.replies() : exchange.reply();
};

/**
 * The answers of a call that begins with the first look at them: a stream that nobody reads is never opened, and holds
 * nothing. It is made in the context of whoever asked for it, wherever it is read.
 */
const onceRead = (begin: () => unknown): AsyncGenerator<unknown, void, undefined> => {
  const within = AsyncLocalStorage.snapshot();
  return (async function* () {
    yield* (await within(begin)) as AsyncIterable<unknown>;
  })();
};

import type { AsyncLocalStorage } from 'node:async_hooks';
import { Code } from '../sidecar/core/status.ts';
import type { LiveContext, Now } from './context.ts';
import type { Answered, Answerer, Incoming } from './incoming.ts';
import { MeshError, trailersOf } from './mesh-error.ts';
import { type Middleware, type ServerCall, through } from './middleware.ts';
import { type MethodShape, shapeOf } from './shape.ts';
import type { Tracing } from './span.ts';
import { type InboundCall, Visit } from './visit.ts';

/**
 * What answers a service: a plain function per method of its interface. It may throw: a MeshError is told to the
 * caller as it is, anything else as UNKNOWN, and goes to the log.
 *
 * @example
 * const methods: Methods<Inventory> = {
 *   reserve: ({ sku }, call) => {
 *     if (sku === '') throw new MeshError(Code.INVALID_ARGUMENT, `${call.caller} named no sku`);
 *     return { left: 3 };
 *   },
 *   async *watch() {
 *     yield { left: 3 };
 *   },
 *   async *count(skus) {
 *     for await (const { sku } of skus) yield { sku, left: 3 };
 *   },
 * };
 * const served = await mesh.serve(Inventory, methods, { port: 0 });
 * await served.stop();
 */
export type Methods<S> = {
  readonly [Method in keyof S]: S[Method] extends (input: infer Input) => infer Output
    ? (input: Input, call: InboundCall) => Output | (Output extends Promise<infer Reply> ? Reply : never)
    : never;
};

/** What serving needs of its mesh. */
export interface ServeHome {
  readonly contexts: AsyncLocalStorage<LiveContext>;
  readonly now: Now;
  readonly middleware: readonly Middleware<ServerCall>[];
  /** Null or absent: tracing is off. */
  readonly tracing?: Tracing | null;
  /** Hears of what a method threw that was no MeshError. */
  readonly onError: (error: unknown, context: LiveContext) => void;
  /** A call begins to be served; the answer is called when it is over. */
  serving(context: LiveContext): () => void;
}

type Answer = (input: unknown, call: InboundCall) => unknown;

/** One method with whoever answers it. */
export interface Served {
  readonly method: MethodShape;
  readonly answer: Answerer;
}

/** The methods of a definition. Throws when one is not answered. */
export const implement = (home: ServeHome, definition: object, methods: object): readonly Served[] =>
  shapeOf(definition).methods.map((method) => {
    const found = (methods as Record<string, Answer | undefined>)[method.name];
    if (typeof found !== 'function')
      throw new Error(`nothing answers ${method.path}: add a function '${method.name}'`);
    return { method, answer: answererOf(home, method, found.bind(methods)) };
  });

/** Serves a call inside its context; whatever happens, its caller hears of it. */
const answererOf =
  (home: ServeHome, method: MethodShape, answer: Answer): Answerer =>
  (incoming) => {
    const span = home.tracing?.came(method.path, incoming.metadata) ?? null;
    const visit = new Visit(incoming, home.now, span);
    const over = home.serving(visit.context);
    const serve = async (): Promise<void> => {
      const answered = await answeredBy(home, method, answer, incoming, visit);
      over();
      if (visit.over) return span?.ended(Code.CANCELLED);
      span?.ended(answered.code, answered.message);
      visit.over = true;
      incoming.end(answered);
    };
    return home.contexts.run(visit.context, () => (span === null ? serve() : span.run(serve)));
  };

const answeredBy = async (
  home: ServeHome,
  method: MethodShape,
  answer: Answer,
  incoming: Incoming,
  visit: Visit,
): Promise<Answered> => {
  const { context, call } = visit;
  try {
    const { path, requestStream, responseStream } = method;
    const make = through(home.middleware, async ({ request }) => answer(request, call));
    const request = requestStream ? requestsOf(method, incoming) : await onlyRequest(method, incoming);
    const { metadata } = incoming;
    const said = await make({ method: path, requestStream, responseStream, request, context, metadata });
    if (responseStream) await writeAll(method, incoming, visit, said);
    else if (!visit.over) await incoming.write(encoded(method, said));
    return { code: Code.OK, message: '', trailers: call.trailers };
  } catch (thrown) {
    return failureOf(home, visit, thrown);
  }
};

const failureOf = (home: ServeHome, visit: Visit, thrown: unknown): Answered => {
  const { context, call } = visit;
  if (thrown instanceof MeshError)
    try {
      return { code: thrown.code, message: thrown.message, trailers: trailersOf(thrown, call.trailers) };
    } catch (unfit) {
      return failureOf(home, visit, unfit);
    }
  // What fails because its caller is gone is no news.
  if (!visit.over) home.onError(thrown, context);
  const message = `${context.method} threw: its log says what, under the id ${context.correlationId}`;
  return { code: Code.UNKNOWN, message, trailers: call.trailers };
};

/** Writes what `source` yields, no faster than the caller takes it; lets go of it when the caller is gone. */
const writeAll = async (
  method: MethodShape,
  incoming: Incoming,
  visit: Visit,
  source: unknown,
): Promise<void> => {
  if (typeof source !== 'object' || source === null || !(Symbol.asyncIterator in source))
    throw new TypeError(
      `${method.path} answers with a stream: return an async iterable, as async function* does`,
    );
  const iterator = (source as AsyncIterable<unknown>)[Symbol.asyncIterator]();
  let isOver = false;
  const leave = (): void => {
    if (isOver) return;
    isOver = true;
    Promise.resolve(iterator.return?.()).catch(() => {});
  };
  visit.call.signal.addEventListener('abort', leave);
  try {
    for (;;) {
      const { done, value } = await iterator.next();
      isOver ||= done === true;
      if (isOver || visit.over) return;
      await incoming.write(encoded(method, value));
    }
  } finally {
    // Also when it could not be written: whoever yields has something to close.
    leave();
    visit.call.signal.removeEventListener('abort', leave);
  }
};

const onlyRequest = async (method: MethodShape, incoming: Incoming): Promise<unknown> => {
  const octets = await incoming.read();
  if (octets === null)
    throw new MeshError(Code.INVALID_ARGUMENT, `${method.path} takes one message, and none came`);
  return decoded(method, octets);
};

/** The messages of a request stream; ends in a MeshError when the caller cancels. */
async function* requestsOf(method: MethodShape, incoming: Incoming): AsyncGenerator<unknown> {
  for (;;) {
    const octets = await incoming.read();
    if (octets === null) return;
    yield decoded(method, octets);
  }
}

const decoded = (method: MethodShape, octets: Buffer): unknown => {
  try {
    return method.request.decode(octets);
  } catch (cause) {
    throw new MeshError(Code.INVALID_ARGUMENT, `${method.path}: the request is no such message`, { cause });
  }
};

const encoded = (method: MethodShape, message: unknown): Buffer => {
  try {
    return method.reply.encode(message);
  } catch (cause) {
    throw new Error(`${method.path}: the answer does not fit its definition`, { cause });
  }
};

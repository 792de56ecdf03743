import type { AsyncLocalStorage } from 'node:async_hooks';
import { Code } from '../sidecar/core/status.ts';
import type { LiveContext, Now } from './context.ts';
import { type Definition, methodName } from './definition.ts';
import type {
  Metadata,
  MethodDefinition,
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  UntypedHandleCall,
} from './grpc.ts';
import { MeshError } from './mesh-error.ts';
import { type InboundCall, Visit } from './visit.ts';

/**
 * What answers a service: a plain function per method of its interface. It may throw: a MeshError is told to the
 * caller as it is, anything else as UNKNOWN, and goes to the log.
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
  /** Hears of what a method threw that was no MeshError. */
  readonly onError: (error: unknown, context: LiveContext) => void;
}

type Answer = (input: unknown, call: InboundCall) => unknown;

/** The methods of a definition, as grpc-js wants them. Throws when one is not answered. */
export const implement = <S>(
  home: ServeHome,
  definition: Definition<S>,
  methods: Methods<S>,
): Record<string, UntypedHandleCall> => {
  const table = methods as unknown as Record<string, Answer | undefined>;
  const entries = Object.entries(definition) as [string, MethodDefinition<unknown, unknown>][];
  return Object.fromEntries(
    entries.map(([name, method]) => {
      const answer = table[methodName(name)]?.bind(methods);
      if (answer === undefined)
        throw new Error(`nothing answers ${method.path}: add a function '${methodName(name)}'`);
      const served = method.responseStream ? streaming(home, method, answer) : single(home, method, answer);
      return [name, served as unknown as UntypedHandleCall];
    }),
  );
};

/** How grpc-js takes the answer of a single reply. */
type Respond = (error: Failure | null, value?: unknown, trailers?: Metadata) => void;

/** Failure of a call, as grpc-js sends it. */
interface Failure {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

const failureOf = (home: ServeHome, { context, call }: Visit, thrown: unknown): Failure => {
  if (thrown instanceof MeshError)
    return { code: thrown.code, details: thrown.message, metadata: call.trailers };
  home.onError(thrown, context);
  const details = `${context.method} threw: its log says what, under the id ${context.correlationId}`;
  return { code: Code.UNKNOWN, details, metadata: call.trailers };
};

/** Unary and client-streaming methods: one reply. */
const single =
  (home: ServeHome, method: MethodDefinition<unknown, unknown>, answer: Answer) =>
  (raw: ServerUnaryCall<unknown, unknown> & ServerReadableStream<unknown, unknown>, reply: Respond): void => {
    const visit = new Visit(raw, home.now);
    const input = method.requestStream ? requestsOf(raw, visit) : raw.request;
    const run = async (): Promise<void> => {
      let failure: Failure | null = null;
      let value: unknown;
      try {
        value = await answer(input, visit.call);
      } catch (thrown) {
        failure = failureOf(home, visit, thrown);
      }
      if (visit.over) return;
      visit.over = true;
      reply(failure, value, visit.call.trailers);
    };
    void home.contexts.run(visit.context, run);
  };

/** Server-streaming and bidirectional methods: the replies are what the method yields. */
const streaming =
  (home: ServeHome, method: MethodDefinition<unknown, unknown>, answer: Answer) =>
  (raw: ServerWritableStream<unknown, unknown> & ServerDuplexStream<unknown, unknown>): void => {
    const visit = new Visit(raw, home.now);
    const input = method.requestStream ? requestsOf(raw, visit) : raw.request;
    const run = async (): Promise<void> => {
      try {
        await writeAll(raw, visit, answer(input, visit.call));
        if (visit.over) return;
        visit.over = true;
        raw.end(visit.call.trailers);
      } catch (thrown) {
        if (visit.over) return;
        const failure = failureOf(home, visit, thrown);
        visit.over = true;
        raw.emit('error', failure);
      }
    };
    void home.contexts.run(visit.context, run);
  };

/** Writes what `source` yields, no faster than the caller takes it; lets go of it when the caller is gone. */
const writeAll = async (
  raw: ServerWritableStream<unknown, unknown>,
  visit: Visit,
  source: unknown,
): Promise<void> => {
  const iterator = (source as AsyncIterable<unknown>)[Symbol.asyncIterator]();
  visit.call.signal.addEventListener('abort', () => {
    Promise.resolve(iterator.return?.()).catch(() => {});
  });
  for (;;) {
    const { done, value } = await iterator.next();
    if (done || visit.over) return;
    if (!raw.write(value)) await visit.drained(raw);
  }
};

/** The messages of a request stream; ends in a MeshError when the caller cancels. */
async function* requestsOf(
  raw: ServerReadableStream<unknown, unknown>,
  visit: Visit,
): AsyncGenerator<unknown> {
  try {
    // Kept whole when its end is read first: a bidirectional call still answers.
    yield* raw.iterator({ destroyOnReturn: false });
  } catch (error) {
    throw new MeshError(Code.CANCELLED, goneWhileSending, { cause: error });
  }
  // To grpc-js a reset ends the requests first and cancels the call some ticks later: half an upload must not pass for a whole one.
  await new Promise((resolve) => setImmediate(resolve));
  if (visit.over) throw new MeshError(Code.CANCELLED, goneWhileSending);
}

const goneWhileSending = 'the caller cancelled while it was sending';

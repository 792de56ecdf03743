import { AsyncLocalStorage } from 'node:async_hooks';
import type { Channel } from './channel.ts';
import { type Client, type ClientHome, makeClient } from './client.ts';
import type { ConnectOptions } from './connect.ts';
import {
  type Context,
  detachedContext,
  type LiveContext,
  logFields,
  type Now,
  ownContext,
  type RunOptions,
} from './context.ts';
import { type Grpc, loadGrpc } from './grpc/load.ts';
import type { Hosted, Hosting } from './host.ts';
import { LostContexts } from './lost.ts';
import type { Methods, ServeHome } from './methods.ts';
import { openServer, type Served, type ServePlace } from './serve.ts';
import type { Tracing } from './span.ts';
import { type Target, targetOf } from './target.ts';
import { toStderr, wordsOf } from './to-stderr.ts';
import type { CallerInterface, ServerInterface } from './typed.ts';

/**
 * The mesh as an app sees it.
 *
 * @example
 * const nightly = (mesh: Mesh) => mesh.run({ timeout: '30s' }, () => mesh.client(Inventory, 'inventory').reserve({ sku: 'oar' }));
 * await nightly(mesh);
 */
export interface Mesh {
  /** Where the sidecar is; empty where there is none. */
  readonly sidecar: string;
  /**
   * A client of a service, by its name in the mesh. The definition is one of `definition()`, of proto-loader, of ts-proto
   * (outputServices=grpc-js) or of protoc-gen-es; the client has its types.
   */
  client<D extends object>(definition: D, service: string): Client<CallerInterface<D>>;
  /** What the constructor of a stub generated for grpc-js takes: `new GreeterClient(...mesh.target('greeter'))`. */
  target(service: string): Target;
  /** Answers a service, grpc.health.v1 and server reflection. */
  serve<D extends object>(
    definition: D,
    methods: Methods<ServerInterface<D>>,
    place: ServePlace,
  ): Promise<Served>;
  /**
   * Keeps a service in this process: calls of this mesh to that name come here, through the same stacks as over sockets,
   * unless its placement is `mesh`. In a process whose settings call the app so, it is served to others too. Rejects when
   * a method has no answer, or the name is taken.
   */
  host<D extends object>(
    definition: D,
    service: string,
    methods: Methods<ServerInterface<D>>,
  ): Promise<Hosted>;
  /** The call being served, or null outside of one. */
  context(): Context | null;
  /** What every log line should carry: pino's `mixin`, or a format of winston's. Empty outside of a context. */
  readonly logMixin: () => Record<string, unknown>;
  /** Runs `work` in a context of its own, so that its calls share a correlation id and a deadline: for jobs and queues. */
  run<T>(options: RunOptions, work: () => T): T;
  /** Runs `work` with the same ids, but neither ended by the deadline nor by the cancellation of the call being served. */
  detach<T>(work: () => T): T;
  /**
   * Lets go of the mesh: no call can begin any more, those that run may end. Servers are stopped by `stop`. Resolves when
   * what ran in this process has stopped, and the spans that are left were sent or could not be.
   */
  close(): Promise<void>;
}

/** What a mesh is made of. */
export interface MeshParts {
  readonly options: ConnectOptions;
  readonly hosting: Hosting;
  /** Where the sidecar is; empty where there is none. */
  readonly sidecar: string;
  /** The way to what is not hosted here. */
  readonly channel: Channel;
  /** Null: nobody is dialled. */
  readonly grpc: Grpc | null;
  readonly tracing: Tracing | null;
  readonly now: Now;
}

/** Puts it together. */
export const makeMesh = ({ options, hosting, sidecar, channel, grpc, tracing, now }: MeshParts): Mesh => {
  const contexts = new AsyncLocalStorage<LiveContext>();
  const lost = lostContexts(options);
  const logMixin = (): Record<string, unknown> => logFields(contexts.getStore() ?? null);
  const clients: ClientHome = {
    channelTo: (service) => hosting.channelTo(service) ?? channel,
    sidecar,
    contexts,
    now,
    middleware: options.clientMiddleware ?? [],
    tracing,
    begun: (context, method) => lost?.begun(context, method),
  };
  const servers: ServeHome = {
    contexts,
    now,
    middleware: options.serverMiddleware ?? [],
    tracing,
    onError: (error, context) => {
      const tell = (): void => toStderr('a method threw', { ...logMixin(), error: wordsOf(error) });
      if (options.onError === undefined) return tell();
      try {
        options.onError(error, context);
      } catch (thrown) {
        // Whoever hears of errors must not make another: the caller waits for an answer.
        toStderr('onError threw', { error: wordsOf(thrown) });
        tell();
      }
    },
    serving: () => lost?.serving() ?? nothing,
  };
  return {
    sidecar,
    client: (definition, service) => makeClient(clients, definition, service),
    target: (service) => {
      if (grpc === null) throw new Error(targetless);
      return targetOf(grpc, clients, service);
    },
    serve: async (definition, methods, place) =>
      openServer(await loadGrpc(), servers, definition, methods, place),
    host: (definition, service, methods) => hosting.host(servers, definition, service, methods),
    context: () => contexts.getStore() ?? null,
    logMixin,
    run: (run, work) => {
      const context = ownContext(run, now);
      const { traceparent, tracestate } = context;
      if (tracing === null || traceparent === '') return contexts.run(context, work);
      return contexts.run(context, () => tracing.within(traceparent, tracestate, work));
    },
    detach: (work) => {
      const context = contexts.getStore();
      return context === undefined ? work() : contexts.run(detachedContext(context, now), work);
    },
    close: async () => {
      channel.close();
      await hosting.stop();
      await tracing?.flush();
    },
  };
};

const targetless =
  'a target needs a sidecar, and this process has none: call by mesh.client, start the app with ' +
  "'outrigger run', or set OUTRIGGER_APP or OUTRIGGER_CONFIG";

const lostContexts = ({ onLostContext }: ConnectOptions): LostContexts | null => {
  if (onLostContext !== undefined)
    return new LostContexts((lost) => {
      try {
        onLostContext(lost);
      } catch (thrown) {
        toStderr('onLostContext threw', { error: wordsOf(thrown) });
      }
    });
  if (process.env['OUTRIGGER_DEV'] !== '1') return null;
  return new LostContexts((lost) =>
    toStderr('a call lost its context: make it inside the call that it is for, or inside mesh.run', {
      ...lost,
    }),
  );
};

const nothing = (): void => {};

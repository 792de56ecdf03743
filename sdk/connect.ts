import { AsyncLocalStorage } from 'node:async_hooks';
import { isRegistered } from '../sidecar/core/tracing-global.ts';
import { isTracingForbidden, tracingAskedBy } from '../sidecar/core/tracing-variables.ts';
import type { Channel } from './channel.ts';
import { type Client, type ClientHome, makeClient } from './client.ts';
import {
  type Context,
  detachedContext,
  type LiveContext,
  logFields,
  type Now,
  ownContext,
  type RunOptions,
} from './context.ts';
import { type Duration, millisecondsOf } from './duration.ts';
import { openChannel } from './grpc/channel.ts';
import { type Grpc, loadGrpc } from './grpc/load.ts';
import { type Hosted, Hosting } from './host.ts';
import { type LostContext, LostContexts } from './lost.ts';
import type { Methods, ServeHome } from './methods.ts';
import type { ClientCall, Middleware, ServerCall } from './middleware.ts';
import { openServer, type Served, type ServePlace } from './serve.ts';
import type { Tracing } from './span.ts';
import { type Target, targetOf } from './target.ts';
import type { CallerInterface, ServerInterface } from './typed.ts';

/**
 * How an app finds its sidecar, and what happens around its calls.
 *
 * @example
 * const options: ConnectOptions = { timeout: '10s', onError: (error, { method }) => console.error(method, error) };
 * const patient = await connect(options);
 * patient.close();
 */
export interface ConnectOptions {
  /**
   * The sidecar's app listener, `host:port` or `unix:PATH`. Default: OUTRIGGER_APP; without it what there is of the mesh
   * runs in this process: the services that it hosts, and with a settings file a whole sidecar.
   */
  readonly sidecar?: string;
  /** A settings file: who the app is, its policies, and where services run. Default: OUTRIGGER_CONFIG, else none. */
  readonly config?: string;
  /** How long to wait for the sidecar; default 5 s. */
  readonly timeout?: Duration;
  /** Around every call that is made, the first outermost. */
  readonly clientMiddleware?: readonly Middleware<ClientCall>[];
  /** Around every call that is served, the first outermost. */
  readonly serverMiddleware?: readonly Middleware<ServerCall>[];
  /** Hears of what a served method threw that was no MeshError. Default: one JSON line on stderr. */
  readonly onError?: (error: unknown, context: Context) => void;
  /**
   * Hears of calls made outside of every context while calls are being served. Default: with OUTRIGGER_DEV=1 one JSON line
   * on stderr, with the stack that made them; else they are not looked for here, and the sidecar counts them.
   */
  readonly onLostContext?: (lost: LostContext) => void;
}

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

/**
 * Connects an app to the sidecar beside it, or to what runs of the mesh in its own process. Rejects, saying where it looked,
 * when the sidecar does not answer.
 *
 * @example
 * const mesh = await connect();
 * const inventory = mesh.client(Inventory, 'inventory');
 * const { left } = await inventory.reserve({ sku: 'oar' }, { timeout: '200ms' });
 * for await (const change of inventory.watch({ sku: 'oar' })) console.log(left, change.left);
 * mesh.close();
 */
export const connect = async (options: ConnectOptions = {}): Promise<Mesh> => {
  const now: Now = () => performance.now();
  const contexts = new AsyncLocalStorage<LiveContext>();
  const hosting = new Hosting(options);
  const { grpc, sidecar, channel } = await open(hosting, options);
  const tracing = await tracingOf(process.env);
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
    onError:
      options.onError ?? ((error) => toStderr('a method threw', { ...logMixin(), error: wordsOf(error) })),
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

/** Spans where somebody is there to be told: the app's own provider, or whom the variables name. Nothing is loaded else. */
const tracingOf = async (environment: NodeJS.ProcessEnv): Promise<Tracing | null> => {
  const wanted = isRegistered('trace') || tracingAskedBy(environment) !== null;
  if (!wanted || isTracingForbidden(environment)) return null;
  const { openTracing } = await import('./tracing.ts');
  try {
    return openTracing(environment);
  } catch (error) {
    toStderr('no traces', { error: error instanceof Error ? error.message : String(error) }, 'warn');
    return null;
  }
};

/** The way out of this process: the sidecar's socket, or nothing but what is hosted here, for which no grpc-js is loaded. */
const open = async (
  hosting: Hosting,
  { timeout = 5000, ...options }: ConnectOptions,
): Promise<{ readonly grpc: Grpc | null; readonly sidecar: string; readonly channel: Channel }> => {
  const timeoutMs = millisecondsOf(timeout, 'timeout');
  const elsewhere = options.sidecar ?? process.env['OUTRIGGER_APP'];
  const home = elsewhere === undefined ? await hosting.home(true) : null;
  const sidecar = elsewhere ?? home?.sidecar ?? '';
  if (sidecar === '') return { grpc: null, sidecar, channel: home!.channel };
  try {
    const grpc = await loadGrpc();
    return { grpc, sidecar, channel: await openChannel(grpc, sidecar, timeoutMs) };
  } catch (thrown) {
    await hosting.stop();
    throw thrown;
  }
};

const targetless =
  'a target needs a sidecar, and this process has none: call by mesh.client, start the app with ' +
  "'outrigger run', or set OUTRIGGER_APP or OUTRIGGER_CONFIG";

const lostContexts = ({ onLostContext }: ConnectOptions): LostContexts | null => {
  if (onLostContext !== undefined) return new LostContexts(onLostContext);
  if (process.env['OUTRIGGER_DEV'] !== '1') return null;
  return new LostContexts((lost) =>
    toStderr('a call lost its context: make it inside the call that it is for, or inside mesh.run', {
      ...lost,
    }),
  );
};

const toStderr = (
  event: string,
  fields: Readonly<Record<string, unknown>>,
  level: 'warn' | 'error' = 'error',
): void => {
  process.stderr.write(`${JSON.stringify({ level, event, ...fields })}\n`);
};

const wordsOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);

const nothing = (): void => {};

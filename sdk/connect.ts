import { AsyncLocalStorage } from 'node:async_hooks';
import { Code } from '../sidecar/core/status.ts';
import { type Client, makeClient } from './client.ts';
import { type Context, cancellation, type LiveContext, makeContext, type Now, newId } from './context.ts';
import type { Definition } from './definition.ts';
import { Client as Channel, channelOptions, credentials } from './grpc.ts';
import { MeshError } from './mesh-error.ts';
import type { Methods, ServeHome } from './methods.ts';
import { openServer, type Served, type ServePlace } from './serve.ts';

/** How an app finds its sidecar. */
export interface ConnectOptions {
  /** The sidecar's app listener, `host:port` or `unix:PATH`. Default: OUTRIGGER_APP, else 127.0.0.1:15001. */
  readonly sidecar?: string;
  /** Milliseconds to wait for the sidecar; default 5,000. */
  readonly timeoutMs?: number;
  /** Hears of what a served method threw that was no MeshError. Default: one JSON line on stderr. */
  readonly onError?: (error: unknown, context: Context) => void;
}

/** Work of our own that no call brought: a timer's, a queue's, a test's. */
export interface BeginOptions {
  /** Default: a new one. */
  readonly correlationId?: string;
  /** Milliseconds that all calls made inside may take together. */
  readonly timeoutMs?: number;
  /** Cancels the calls made inside. */
  readonly signal?: AbortSignal;
  /** Baggage, such as `ff.express=on`. */
  readonly baggage?: string;
}

/** The mesh as an app sees it. */
export interface Mesh {
  /** Where the sidecar is. */
  readonly sidecar: string;
  /** A client of a service, by its name in the mesh. */
  client<S>(definition: Definition<S>, service: string): Client<S>;
  /** Answers a service, and grpc.health.v1. */
  serve<S>(definition: Definition<S>, methods: Methods<S>, place: ServePlace): Promise<Served>;
  /** The call being served, or null outside of one. */
  context(): Context | null;
  /** What every log line should carry, such as pino's `mixin`. Empty outside of a call. */
  logFields(): Record<string, string>;
  /** Runs `work` in a context of its own, so that its calls share a correlation id and a deadline. */
  begin<T>(work: () => T, options?: BeginOptions): T;
  /** Runs `work` with the same ids, but neither ended by the deadline nor by the cancellation of the call being served. */
  detach<T>(work: () => T): T;
  /** Lets go of the sidecar: no call can begin any more, those that run may end. Servers are stopped by `stop`. */
  close(): void;
}

/**
 * Connects an app to the sidecar beside it. Rejects, saying where it looked, when the sidecar does not answer.
 *
 * @example
 * const mesh = await connect();
 * const inventory = mesh.client(Inventory, 'inventory');
 * await mesh.serve(Orders, {
 *   place: async ({ sku }, call) => {
 *     const { left } = await inventory.reserve({ sku }, { timeoutMs: 500 }); // same id, no later deadline
 *     return { express: call.flags.get('express') === 'on', left };
 *   },
 * }, { port: 50051 });
 */
export const connect = async (options: ConnectOptions = {}): Promise<Mesh> => {
  const sidecar = options.sidecar ?? process.env['OUTRIGGER_APP'] ?? '127.0.0.1:15001';
  const now: Now = () => performance.now();
  const contexts = new AsyncLocalStorage<LiveContext>();
  const channel = new Channel(sidecar, credentials.createInsecure(), channelOptions);
  await ready(channel, sidecar, options.timeoutMs ?? 5000);
  const home: ServeHome = { contexts, now, onError: options.onError ?? toStderr };
  return {
    sidecar,
    client: (definition, service) => makeClient({ channel, sidecar, contexts, now }, definition, service),
    serve: (definition, methods, place) => openServer(home, definition, methods, place),
    context: () => contexts.getStore() ?? null,
    logFields: () => logFields(contexts.getStore() ?? null),
    begin: (work, begin = {}) => contexts.run(ownContext(begin, now), work),
    detach: (work) => {
      const context = contexts.getStore();
      if (context === undefined) return work();
      const free = { ...context, deadlineAt: Number.POSITIVE_INFINITY, signal: cancellation().signal };
      return contexts.run(makeContext(free, now), work);
    },
    close: () => channel.close(),
  };
};

const ready = (channel: Channel, sidecar: string, timeoutMs: number): Promise<void> =>
  new Promise((resolve, reject) => {
    channel.waitForReady(Date.now() + timeoutMs, (error) => {
      if (error === undefined || error === null) return resolve();
      channel.close();
      reject(
        new MeshError(
          Code.UNAVAILABLE,
          `no sidecar answers at ${sidecar} within ${timeoutMs} ms: start the app with 'outrigger run', or set ` +
            'OUTRIGGER_APP to the app listener of a sidecar that runs, host:port or unix:PATH',
          { cause: error },
        ),
      );
    });
  });

const ownContext = ({ correlationId, timeoutMs, signal, baggage }: BeginOptions, now: Now): LiveContext =>
  makeContext(
    {
      correlationId: correlationId ?? newId(),
      baggage: baggage ?? '',
      deadlineAt: timeoutMs === undefined ? Number.POSITIVE_INFINITY : now() + timeoutMs,
      signal: signal ?? cancellation().signal,
    },
    now,
  );

const logFields = (context: LiveContext | null): Record<string, string> => {
  if (context === null) return {};
  const { correlationId, caller, method } = context;
  return { correlationId, ...(caller === '' ? {} : { caller }), ...(method === '' ? {} : { method }) };
};

const toStderr = (error: unknown, context: Context): void => {
  const said = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const line = { level: 'error', event: 'a method threw', ...logFields(context as LiveContext), error: said };
  process.stderr.write(`${JSON.stringify(line)}\n`);
};

import { messageOf } from '../sidecar/core/thrown.ts';
import { isRegistered } from '../sidecar/core/tracing-global.ts';
import { isTracingForbidden, tracingAskedBy } from '../sidecar/core/tracing-variables.ts';
import type { Context, Now } from './context.ts';
import { type Duration, millisecondsOf } from './duration.ts';
import { openChannel } from './grpc/channel.ts';
import { loadGrpc } from './grpc/load.ts';
import { Hosting } from './host.ts';
import type { LostContext } from './lost.ts';
import { type Mesh, type MeshParts, makeMesh } from './mesh.ts';
import type { ClientCall, Middleware, ServerCall } from './middleware.ts';
import type { Tracing } from './span.ts';
import { toStderr } from './to-stderr.ts';

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
  const hosting = new Hosting(options);
  const { grpc, sidecar, channel, service } = await open(hosting, options);
  const tracing = await tracingOf(process.env, service);
  return makeMesh({ options, hosting, sidecar, channel, grpc, tracing, now });
};

/** Spans where somebody is there to be told: the app's own provider, or whom the variables name. Nothing is loaded else. */
const tracingOf = async (environment: NodeJS.ProcessEnv, service: string): Promise<Tracing | null> => {
  const wanted = isRegistered('trace') || tracingAskedBy(environment) !== null;
  if (!wanted || isTracingForbidden(environment)) return null;
  const { openTracing } = await import('./tracing.ts');
  try {
    return openTracing(environment, service);
  } catch (error) {
    toStderr('no traces', { error: messageOf(error) }, 'warn');
    return null;
  }
};

/** The way out of this process, and who the app is; empty where nobody says. */
interface Way extends Pick<MeshParts, 'grpc' | 'sidecar' | 'channel'> {
  readonly service: string;
}

/** The way out of this process: the sidecar's socket, or nothing but what is hosted here, for which no grpc-js is loaded. */
const open = async (hosting: Hosting, { timeout = 5000, ...options }: ConnectOptions): Promise<Way> => {
  const timeoutMs = millisecondsOf(timeout, 'timeout');
  const elsewhere = options.sidecar ?? process.env['OUTRIGGER_APP'];
  const home = elsewhere === undefined ? await hosting.home(true) : null;
  const sidecar = elsewhere ?? home?.sidecar ?? '';
  const service = home?.service ?? process.env['OUTRIGGER_SERVICE'] ?? '';
  if (sidecar === '') return { grpc: null, sidecar, service, channel: home!.channel };
  try {
    const grpc = await loadGrpc();
    return { grpc, sidecar, service, channel: await openChannel(grpc, sidecar, timeoutMs) };
  } catch (thrown) {
    await hosting.stop();
    throw thrown;
  }
};

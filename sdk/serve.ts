import { unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Server } from '@grpc/grpc-js';
import { type Grpc, serverOptions } from './grpc/load.ts';
import { grpcHandler, grpcMethod } from './grpc/server.ts';
import { HealthState, healthDefinition } from './health.ts';
import { appDefinition, Load } from './load.ts';
import { implement, type Methods, type ServeHome } from './methods.ts';
import { Reflection, reflectionDefinition } from './reflection.ts';
import type { ServerInterface } from './typed.ts';

/**
 * Where an app answers. Plaintext on this machine: its sidecar alone speaks to others.
 *
 * @example
 * const place: ServePlace = { socket: '/tmp/inventory.sock' }; // or { port: 50051 }
 * const served = await mesh.serve(Inventory, stock, place);
 * await served.stop();
 */
export type ServePlace =
  | {
      /** 0 picks a free one. */
      readonly port: number;
      /** Default 127.0.0.1. */
      readonly host?: string;
    }
  | {
      /** Absolute path of a unix socket: unlike a port, only users with access to it can speak as a caller. */
      readonly socket: string;
    };

/**
 * An app that answers.
 *
 * @example
 * const served: Served = await mesh.serve(Inventory, stock, { port: 0 });
 * served.serving(false); // callers are told to go elsewhere
 * await served.stop(5000);
 */
export interface Served {
  /** `host:port` or `unix:PATH`. */
  readonly address: string;
  /** The port that was bound; 0 for a unix socket. */
  readonly port: number;
  /** Answers one more service at the same place. */
  add<D extends object>(definition: D, methods: Methods<ServerInterface<D>>): void;
  /** What grpc.health.v1 says from now on: whether the app wants calls. */
  serving(yes: boolean): void;
  /**
   * Stops gracefully: health says NOT_SERVING, no new calls come, those that run may finish within `graceMs`
   * (default 10 s), then they are cut. Safe to call again.
   */
  stop(graceMs?: number): Promise<void>;
}

/** Binds a server with one service, health and reflection. Rejects when the place is taken or a method has no answer. */
export const openServer = async (
  grpc: Grpc,
  home: ServeHome,
  definition: object,
  methods: object,
  place: ServePlace,
): Promise<Served> => {
  const server = new grpc.Server(serverOptions);
  const health = new HealthState();
  const reflection = new Reflection();
  const load = new Load();
  // What the mesh itself asks is no call that others could belong to.
  const plain: ServeHome = { ...home, middleware: [], tracing: null, serving: () => () => {} };
  const counted: ServeHome = {
    ...home,
    serving: (context) => {
      const [one, other] = [home.serving(context), load.serving()];
      return () => {
        one();
        other();
      };
    },
  };
  const answer = (by: ServeHome, added: object, answers: object): void => {
    const served = implement(by, added, answers);
    for (const { method } of served) health.add(method.path.split('/')[1]!);
    reflection.add(added);
    server.addService(
      Object.fromEntries(served.map(({ method }) => [method.path, grpcMethod(method)])),
      Object.fromEntries(
        served.map(({ method, answer }) => [method.path, grpcHandler(grpc, method, answer)]),
      ),
    );
  };
  answer(counted, definition, methods);
  answer(plain, healthDefinition(), health.methods());
  answer(plain, appDefinition(), load.methods());
  for (const version of ['v1', 'v1alpha'] as const)
    answer(plain, reflectionDefinition(version), reflection.methods());
  if ('socket' in place) await clearStale(place.socket);
  const target = 'socket' in place ? `unix:${place.socket}` : hostPort(place.host ?? '127.0.0.1', place.port);
  const port = await bind(grpc, server, target);
  let stopping: Promise<void> | null = null;
  return {
    address: 'socket' in place ? target : hostPort(place.host ?? '127.0.0.1', port),
    port: 'socket' in place ? 0 : port,
    add: (added, answers) => answer(counted, added, answers),
    serving: (yes) => health.set(yes),
    stop: (graceMs = 10_000) => {
      health.set(false);
      load.close();
      return (stopping ??= stop(server, graceMs));
    },
  };
};

const hostPort = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

const bind = (grpc: Grpc, server: Server, target: string): Promise<number> =>
  new Promise((resolve, reject) => {
    server.bindAsync(target, grpc.ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else
        reject(
          new Error(`cannot serve at ${target}: ${error.message}; is another process there?`, {
            cause: error,
          }),
        );
    });
  });

const stop = (server: Server, graceMs: number): Promise<void> =>
  new Promise((resolve) => {
    const cut = setTimeout(() => server.forceShutdown(), graceMs);
    server.tryShutdown(() => {
      clearTimeout(cut);
      resolve();
    });
  });

/** Takes away a socket file that a killed process left: one that nobody listens on. */
const clearStale = (path: string): Promise<void> =>
  new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') unlink(path).then(resolve, () => resolve());
      else resolve();
    });
  });

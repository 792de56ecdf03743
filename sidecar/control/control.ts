import { createServer, type Socket } from 'node:net';
import type { ConnectionInjector } from '@grpc/grpc-js';
import type { Log } from '../core/log.ts';
import type { Meter } from '../core/meter.ts';
import { listenPrivately } from './socket.ts';
import type { SidecarView } from './view.ts';

/** What the control socket is opened with. */
export interface ControlOptions {
  readonly path: string;
  readonly log: Log;
  readonly meter: Meter;
  readonly limits: { readonly 'control-connections': number };
  /** Read at each call. */
  readonly view: SidecarView;
}

/** The control socket: proto/outrigger/v1/control.proto for this user's own programs. */
export interface Control {
  readonly path: string;
  /** Ends all connections and resolves when the socket is gone. */
  close(): Promise<void>;
}

/** Opens the control socket. The gRPC library is loaded at the first connection, so that a sidecar nobody asks stays small. */
export const startControl = async (options: ControlOptions): Promise<Control> => {
  const { path, log, meter, limits, view } = options;
  const sockets = new Set<Socket>();
  let injector: Promise<ConnectionInjector> | null = null;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // Without a listener a client that dies would end the process.
    socket.on('error', () => socket.destroy());
    injector ??= import('./control-service.ts').then(({ controlService }) => controlService(view));
    injector.then(
      (ready) => !socket.destroyed && ready.injectConnection(socket),
      (error: Error) => {
        log.error({ error }, 'control could not be served');
        socket.destroy();
      },
    );
  });
  server.maxConnections = limits['control-connections'];
  server.on('drop', () => {
    meter.count('outrigger_limit_breaches_total', 'control', 'control-connections').value++;
    log.debug({ limit: 'control-connections' }, 'the control socket refused a connection');
  });
  await listenPrivately(server, path);
  return {
    path,
    async close() {
      const gone = new Promise<void>((resolve) => server.close(() => resolve()));
      await injector?.then(
        (ready) => ready.destroy(),
        () => {},
      );
      for (const socket of sockets) socket.destroy();
      await gone;
    },
  };
};

import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import tls from 'node:tls';
import { until } from './raw-http2.ts';

/** Sockets that never finish their handshake. */
export interface Stalled {
  /** How many of them the other side has not closed. */
  open(): number;
  close(): void;
}

/** The beginning of a ClientHello: a record of 512 octets, of which no more comes. */
const half = Buffer.from('160301020001', 'hex');

/** Opens `perAddress` of each of `addresses` addresses of loopback, the first is that of callers; half of them begin. */
export const stallHandshakes = async (
  port: number,
  addresses: number,
  perAddress: number,
): Promise<Stalled> => {
  const open = new Set<Socket>();
  for (let address = 1; address <= addresses; address++) {
    // In parts, so that no queue of the kernel overflows: who waits there takes up nothing of ours.
    await pause(20);
    for (let at = 0; at < perAddress; at++) {
      const socket = connect({ port, host: '127.0.0.1', localAddress: `127.0.0.${address}` }, () => {
        if (at % 2 === 0) socket.write(half);
      });
      socket.on('error', () => {});
      socket.once('close', () => open.delete(socket));
      open.add(socket);
    }
  }
  return {
    open: () => open.size,
    close: () => {
      for (const socket of open) socket.destroy();
    },
  };
};

/** A TLS server of Node with its defaults, at which as many knock: how many it still holds. */
export const laxServer = async (
  addresses: number,
  perAddress: number,
): Promise<{ held(): number; close(): Promise<void> }> => {
  const server = tls.createServer();
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const { port } = server.address() as { port: number };
  const stalled = await stallHandshakes(port, addresses, perAddress);
  await until(() => sockets.size === addresses * perAddress, 'all of them to be taken');
  return {
    held: () => sockets.size,
    close: () => {
      stalled.close();
      return new Promise((closed) => server.close(() => closed()));
    },
  };
};

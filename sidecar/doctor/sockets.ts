import { lookup } from 'node:dns/promises';
import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import type { Place } from '../settings/address.ts';

/** Milliseconds for a connection, and for a server's first words. */
export const patienceMs = 2000;

/** Connects to a place; rejects with the cause. Whoever gets the socket destroys it. */
export const connect = (place: Place): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = dial(place);
    const late = setTimeout(
      () => socket.destroy(new Error(`no answer within ${patienceMs / 1000} s`)),
      patienceMs,
    );
    socket.once('connect', () => {
      clearTimeout(late);
      resolve(socket);
    });
    socket.once('error', (error) => {
      clearTimeout(late);
      reject(error);
    });
  });

/** Why nobody answers at a place; null when somebody does. */
export const whyClosed = async (place: Place): Promise<string | null> => {
  try {
    (await connect(place)).destroy();
    return null;
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    return (
      { ECONNREFUSED: 'nobody listens there', ENOTFOUND: 'the name is not known' }[code ?? ''] ?? message
    );
  }
};

/** A place that is held for a moment: nobody else can have it until it is let go. */
export interface Held {
  readonly server: Server;
  letGo(): Promise<void>;
}

/** Listens at a place; rejects with a system error, such as EADDRINUSE. */
export const hold = (place: { readonly host: string; readonly port: number }): Promise<Held> =>
  new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    // Exclusive, as a sidecar listens.
    server.listen({ ...place, exclusive: true }, () =>
      resolve({ server, letGo: () => new Promise((done) => server.close(() => done())) }),
    );
  });

/** The addresses of a host; itself when it is one. Empty when the name is not known. */
export const addressesOf = async (host: string): Promise<string[]> => {
  try {
    return (await lookup(host.replace(/^\[|\]$/g, ''), { all: true })).map(({ address }) => address);
  } catch {
    return [];
  }
};

/**
 * A relay on `wire/` without a mesh: reads frames, copies them, returns credit. What is left when everything that a
 * sidecar decides is taken away, so it shows what the engine alone costs. Not for use.
 *
 * bare-relay.js LISTEN-PORT UPSTREAM-PORT [in DIRECTORY] [out DIRECTORY]: mutual TLS on that side.
 */
import { readFileSync } from 'node:fs';
import { createServer, connect as plainConnect, type Socket } from 'node:net';
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls';
import { Connection, defaultLimits, type Limits, Loop } from '../wire/index.ts';
import { Pair } from './relay-pair.ts';

const [listenPort, upstreamPort, ...rest] = process.argv.slice(2);
const directoryOf = (side: string): string | undefined =>
  rest.includes(side) ? rest[rest.indexOf(side) + 1] : undefined;
const certificates = (directory: string, name: string) => ({
  ca: readFileSync(`${directory}/ca.pem`),
  cert: readFileSync(`${directory}/${name}.pem`),
  key: readFileSync(`${directory}/${name}.key`),
  ALPNProtocols: ['h2'],
});

const loop = new Loop();
const limits: Limits = { ...defaultLimits, concurrentStreams: 1024 };
const ignored = { room: () => {}, draining: () => {}, breach: console.error };

const dial = (): Connection => {
  const directory = directoryOf('out');
  const socket =
    directory === undefined
      ? plainConnect(Number(upstreamPort), '127.0.0.1')
      : tlsConnect({
          port: Number(upstreamPort),
          host: '127.0.0.1',
          ...certificates(directory, 'web'),
          checkServerIdentity: () => undefined,
        });
  return new Connection(socket, {
    role: 'client',
    loop,
    limits,
    listener: {
      ...ignored,
      ready: listen,
      stream: () => {
        throw new Error('a client has no requests');
      },
      closed: (reason) => {
        console.error(`upstream: ${reason}`);
        process.exit(1);
      },
    },
  });
};

const accept = (socket: Socket): void => {
  new Connection(socket, {
    role: 'server',
    loop,
    limits,
    listener: {
      ...ignored,
      ready: () => {},
      stream: (stream, fields, never, last) => new Pair(stream, upstream, fields, never, last),
      closed: () => {},
    },
  });
};

const listen = (): void => {
  const directory = directoryOf('in');
  const server =
    directory === undefined
      ? createServer(accept)
      : createTlsServer({ ...certificates(directory, 'echo'), requestCert: true });
  if (directory !== undefined) server.on('secureConnection', accept);
  server.listen(Number(listenPort), '127.0.0.1');
};

const upstream = dial();
process.on('SIGTERM', () => process.exit(0));

/** The gRPC server behind every proxy: a process of its own that echoes. Says its port over IPC. */
import { type AddressInfo, createServer } from 'node:net';
import { Connection, type ConnectionListener, defaultLimits, Loop } from '../wire/index.ts';
import { answer } from './echo.ts';

const loop = new Loop();
const limits = {
  ...defaultLimits,
  concurrentStreams: 1024,
  streamWindow: 1024 * 1024,
  connectionWindow: 16 * 1024 * 1024,
  outputBytes: 64 * 1024 * 1024,
};
const listener: ConnectionListener = {
  ready: () => {},
  stream: answer,
  room: () => {},
  draining: () => {},
  closed: () => {},
  breach: (breach) => console.error(`the backend's limit was broken: ${breach}`),
};
const server = createServer(
  { noDelay: true },
  (socket) => new Connection(socket, { role: 'server', loop, limits, listener, followsMessages: false }),
);
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.on('disconnect', () => process.exit(0));

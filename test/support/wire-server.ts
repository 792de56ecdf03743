import { createServer, type Socket } from 'node:net';
import {
  type Abort,
  type Breach,
  Connection,
  type ConnectionOptions,
  defaultLimits,
  type Limits,
  Loop,
  type Stream,
  type StreamListener,
} from '../../wire/index.ts';
import { until } from './raw-http2.ts';

/** A clock that moves when told, for `Loop`. */
export interface HandClock {
  now: number;
}

/** What one request, or one reply, has brought so far. */
export class Exchange implements StreamListener {
  readonly stream: Stream | null;
  readonly lists: string[][];
  readonly never: (string[] | null)[];
  readonly chunks: Buffer[] = [];
  readonly aborts: Abort[] = [];
  bytes = 0;
  sentBytes = 0;
  last: boolean;
  /** Return credit as DATA comes. */
  credits = true;
  /** Keep what came; off for large bodies. */
  keeps = true;
  onEvent: (exchange: Exchange) => void = () => {};
  onData: ((chunk: Buffer, start: number, end: number, last: boolean) => void) | null = null;
  onSent: ((bytes: number) => void) | null = null;
  target: Stream | null;

  constructor(stream: Stream | null, fields: string[] | null, never: string[] | null, last: boolean) {
    this.stream = this.target = stream;
    this.lists = fields === null ? [] : [fields];
    this.never = fields === null ? [] : [never];
    this.last = last;
  }

  /** The value of a field, the newest list first. */
  field(name: string): string | undefined {
    for (let i = this.lists.length - 1; i >= 0; i--) {
      const at = this.lists[i]!.findIndex((text, index) => index % 2 === 0 && text === name);
      if (at >= 0) return this.lists[i]![at + 1];
    }
    return undefined;
  }

  get body(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get over(): boolean {
    return this.last || this.aborts.length > 0;
  }

  headers(fields: string[], never: string[] | null, last: boolean): void {
    this.lists.push(fields);
    this.never.push(never);
    this.last ||= last;
    this.onEvent(this);
  }

  data(chunk: Buffer, start: number, end: number, last: boolean): void {
    if (this.keeps) this.chunks.push(Buffer.from(chunk.subarray(start, end)));
    this.bytes += end - start;
    this.last ||= last;
    if (this.onData !== null) this.onData(chunk, start, end, last);
    else if (this.credits) this.target?.credit(end - start);
    this.onEvent(this);
  }

  sent(bytes: number): void {
    this.sentBytes += bytes;
    this.onSent?.(bytes);
  }

  aborted(abort: Abort): void {
    this.aborts.push(abort);
    this.target?.release();
    this.onEvent(this);
  }
}

/** Answers `text` in DATA when a request is complete. */
export const answerData =
  (text: string) =>
  (exchange: Exchange): void => {
    const reply = () => {
      if (!exchange.last || exchange.stream!.headersSent) return;
      const octets = Buffer.from(text, 'latin1');
      exchange.stream!.headers([':status', '200', 'content-type', 'application/grpc'], null, false);
      exchange.stream!.write(octets, 0, octets.length);
      exchange.stream!.trailers(['grpc-status', '0']);
      exchange.stream!.release();
    };
    exchange.onEvent = reply;
    queueMicrotask(reply);
  };

/** Sends back what comes as it comes; credit follows what has been sent. */
export const answerEcho = (exchange: Exchange): void => {
  const stream = exchange.stream!;
  exchange.keeps = false;
  stream.headers([':status', '200', 'content-type', 'application/grpc'], null, false);
  const finish = () => {
    if (!exchange.last || stream.closed) return;
    stream.trailers(['grpc-status', '0']);
    stream.release();
  };
  exchange.onData = (chunk, start, end) => stream.write(chunk, start, end);
  exchange.onSent = (bytes) => stream.credit(bytes);
  exchange.onEvent = finish;
  finish();
};

/** Keeps requests open and says nothing. */
export const answerNothing = (): void => {};

/** A listener for connections that writes down what happens. */
export class Journal {
  readonly breaches: Breach[] = [];
  readonly closings: string[] = [];
  readonly drainings: string[] = [];
  readonly requests: Exchange[] = [];
  ready = 0;
  rooms = 0;
}

const listenerFor = (journal: Journal, answer: (exchange: Exchange) => void) => ({
  ready: () => void journal.ready++,
  room: () => void journal.rooms++,
  draining: (reason: string) => void journal.drainings.push(reason),
  closed: (reason: string) => void journal.closings.push(reason),
  breach: (breach: Breach) => void journal.breaches.push(breach),
  stream(stream: Stream, fields: string[], never: string[] | null, last: boolean) {
    const exchange = new Exchange(stream, fields, never, last);
    journal.requests.push(exchange);
    answer(exchange);
    return exchange;
  },
});

/** What may be said of a connection in a test. */
export interface WireOptions
  extends Partial<Omit<ConnectionOptions, 'role' | 'loop' | 'limits' | 'listener'>> {
  readonly limits?: Partial<Limits>;
  readonly loop?: Loop;
  readonly answer?: (exchange: Exchange) => void;
}

/** A `wire/` server on a port of its own. */
export interface WireServer extends Journal {
  readonly port: number;
  readonly loop: Loop;
  readonly connections: Connection[];
  close(): Promise<void>;
}

/** Options of a connection; `clock`: time goes by only when told. */
const loopFor = (options: WireOptions, clock: HandClock | undefined): Loop =>
  options.loop ?? new Loop(clock === undefined ? {} : { now: () => clock.now });

const connect = (
  socket: Socket,
  role: 'client' | 'server',
  loop: Loop,
  journal: Journal,
  options: WireOptions,
): Connection => {
  const { limits, loop: _, answer = answerNothing, ...rest } = options;
  return new Connection(socket, {
    role,
    loop,
    limits: { ...defaultLimits, ...limits },
    listener: listenerFor(journal, answer),
    ...rest,
  });
};

/** Starts a server. */
export const startWire = async (options: WireOptions = {}, clock?: HandClock): Promise<WireServer> => {
  const loop = loopFor(options, clock);
  const journal = new Journal();
  const connections: Connection[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    connections.push(connect(socket, 'server', loop, journal, options));
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return Object.assign(journal, {
    port: (server.address() as { port: number }).port,
    loop,
    connections,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise<void>((resolve) => void server.close(() => resolve()));
    },
  });
};

/** A `wire/` client. */
export interface WireClient extends Journal {
  readonly loop: Loop;
  readonly connection: Connection;
  /** Opens a stream; `last`: without a body. */
  call(fields: readonly string[], last: boolean, never?: string[] | null): Exchange & { target: Stream };
  close(): Promise<void>;
}

/** Dials, and waits for the server's SETTINGS. */
export const dialWire = async (
  port: number,
  options: WireOptions = {},
  clock?: HandClock,
): Promise<WireClient> => {
  const { Socket: NetSocket } = await import('node:net');
  const socket = new NetSocket();
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.connect(port, '127.0.0.1', resolve);
  });
  const loop = loopFor(options, clock);
  const journal = new Journal();
  const connection = connect(socket, 'client', loop, journal, options);
  await until(() => journal.ready > 0 || journal.closings.length > 0, 'the server to be ready');
  return Object.assign(journal, {
    loop,
    connection,
    call(fields: readonly string[], last: boolean, never: string[] | null = null) {
      const exchange = new Exchange(null, null, null, false);
      const stream = connection.open(fields, never, last, exchange);
      exchange.target = stream;
      return exchange as Exchange & { target: Stream };
    },
    async close() {
      socket.destroy();
      await until(() => !loop.driven.has(connection), 'the client to leave its loop');
    },
  });
};

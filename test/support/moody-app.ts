import http2 from 'node:http2';
import type { Socket } from 'node:net';

/**
 * How it treats calls: answers, answers UNAVAILABLE to all or to every other one, says nothing, is overloaded, or
 * breaks replies off in their middle, by a reset, by an end without a status, or with their connection.
 */
export type Mood = 'well' | 'unwell' | 'half' | 'silent' | 'busy' | Breaking;
type Breaking = 'broken' | 'curt' | 'cut';

/** An app without a library or a sidecar, whose mood a test changes, and which can die and come back. */
export interface MoodyApp {
  /** `127.0.0.1:port`, the same for all its lives. */
  readonly address: string;
  mood: Mood;
  /** Whether it serves grpc.health.v1; what it says there is its mood. */
  servesHealth: boolean;
  /** Octets of a reply's only message, or of what comes of one that breaks off. */
  replyBytes: number;
  /** Calls that came, and health checks that came. */
  calls: number;
  checks: number;
  /** The most calls and health checks that were open at one time; a test may set it back. */
  mostAtOnce: number;
  die(): Promise<void>;
  live(): Promise<void>;
  close(): Promise<void>;
}

/** Starts so many, each on a free port of loopback. */
export const moodyApps = (count: number): Promise<MoodyApp[]> =>
  Promise.all(
    Array.from({ length: count }, async () => {
      const app = new Moody();
      await app.live();
      return app;
    }),
  );

const codes: Readonly<Record<Exclude<Mood, 'silent' | 'half' | Breaking>, number>> = {
  well: 0,
  unwell: 14,
  busy: 8,
};
const unimplemented = 12;

class Moody implements MoodyApp {
  mood: Mood = 'well';
  servesHealth = true;
  replyBytes = 0;
  calls = 0;
  checks = 0;
  mostAtOnce = 0;
  #port = 0;
  #open = 0;
  #server: http2.Http2Server | null = null;
  readonly #sockets: Set<Socket> = new Set();

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  async live(): Promise<void> {
    const server = http2.createServer();
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
    });
    server.on('session', (session) => session.on('error', () => {}));
    server.on('stream', (stream, headers) => this.#take(stream, headers[':path'] ?? ''));
    await new Promise<void>((resolve) => void server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as { port: number }).port;
    this.#server = server;
  }

  async die(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  close(): Promise<void> {
    return this.die();
  }

  #take(stream: http2.ServerHttp2Stream, path: string): void {
    stream.on('error', () => {});
    stream.resume();
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#open);
    stream.on('close', () => this.#open--);
    const isCheck = path === '/grpc.health.v1.Health/Check';
    if (isCheck) this.checks++;
    else this.calls++;
    if (this.mood === 'silent') return;
    if (isCheck) this.#answerCheck(stream);
    else if (isBreaking(this.mood)) breakOff(stream, this.mood, this.#message());
    else if (this.mood === 'half')
      answer(stream, this.calls % 2 === 0 ? codes.unwell : codes.well, this.#message());
    else answer(stream, codes[this.mood], this.#message());
  }

  #message(): Buffer {
    const message = Buffer.alloc(5 + this.replyBytes);
    message.writeUInt32BE(this.replyBytes, 1);
    return message;
  }

  #answerCheck(stream: http2.ServerHttp2Stream): void {
    if (!this.servesHealth) return answer(stream, unimplemented);
    // An app that fails half of its calls, or is overloaded, thinks that it serves.
    answer(stream, 0, Buffer.from([0, 0, 0, 0, 2, 8, this.mood === 'unwell' ? 2 : 1]));
  }
}

const head = { ':status': 200, 'content-type': 'application/grpc' } as const;

const answer = (stream: http2.ServerHttp2Stream, code: number, message: Buffer = Buffer.alloc(0)): void => {
  if (stream.destroyed) return;
  if (code !== 0) {
    stream.respond(
      { ...head, 'grpc-status': String(code), 'grpc-message': 'in a mood' },
      { endStream: true },
    );
    return;
  }
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.respond(head, { waitForTrailers: true });
  stream.end(message);
};

const isBreaking = (mood: Mood): mood is Breaking => mood === 'broken' || mood === 'curt' || mood === 'cut';

const breakOff = (stream: http2.ServerHttp2Stream, how: Breaking, message: Buffer): void => {
  stream.respond(head);
  if (how === 'curt') return void stream.end(message);
  const { session } = stream;
  stream.write(message, () =>
    setImmediate(() => {
      if (how === 'cut') session?.destroy();
      else stream.destroy(new Error('told to break off'));
    }),
  );
};

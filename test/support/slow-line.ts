import { connect, createServer, type Server, type Socket } from 'node:net';
import { Transform } from 'node:stream';

/** A TCP relay whose answers can be held back, cut off in the middle, or refused. */
export interface SlowLine {
  readonly url: string;
  /** Milliseconds by which each piece of an answer is late. */
  delayMs: number;
  /** Octets of answers after which a connection is cut; Infinity: never. */
  cutAfter: number;
  /** Connections that are open now, and how many have been opened in all. */
  readonly open: number;
  readonly opened: number;
  /** Destroys every connection; new ones are taken. */
  cut(): void;
  close(): Promise<void>;
}

/** Opens one in front of `target`, a URL. */
export const slowLine = async (target: string): Promise<SlowLine> => {
  const line = new Line(new URL(target));
  await line.listen();
  return line;
};

class Line implements SlowLine {
  url = '';
  delayMs = 0;
  cutAfter: number = Number.POSITIVE_INFINITY;
  opened = 0;
  readonly #sockets: Set<Socket> = new Set();
  readonly #server: Server;

  constructor({ hostname, port }: URL) {
    this.#server = createServer((near) => {
      this.opened++;
      this.#join(near, connect(Number(port), hostname));
    });
  }

  get open(): number {
    return this.#sockets.size / 2;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((closed) => this.#server.close(closed));
  }

  #join(near: Socket, far: Socket): void {
    for (const socket of [near, far]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    let octets = 0;
    const late = new Transform({
      transform: (chunk: Buffer, _, done) => {
        octets += chunk.length;
        const rest = Math.max(0, chunk.length - (octets - this.cutAfter));
        const pass = (): void => {
          if (octets <= this.cutAfter) return done(null, chunk);
          near.write(chunk.subarray(0, rest), () => near.destroy());
          done();
        };
        if (this.delayMs > 0) setTimeout(pass, this.delayMs);
        else pass();
      },
    });
    near.pipe(far);
    far.pipe(late).pipe(near);
  }
}

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A network between two processes, in front of a TCP port of loopback, that goes wrong when told. */
export interface FaultProxy {
  /** `127.0.0.1:port`, what the other side dials. */
  readonly address: string;
  /** Each piece is late by this, milliseconds; pieces stay in order. */
  delayMs: number;
  /** By as much more or less, by chance. */
  jitterMs: number;
  /** Octets a second in each direction of each connection; Infinity: as fast as it goes. */
  bytesPerSecond: number;
  /** Octets of a piece at most; each is written by itself. */
  sliceBytes: number;
  /** Connections that are open now, and how many have been opened in all. */
  readonly open: number;
  readonly opened: number;
  /** Ends every connection by RST, on both sides; new ones are taken. */
  cut(): void;
  /**
   * Nothing passes any more in either direction, ends included, while the sockets stay: what half-open means. New
   * connections are taken and lead nowhere. `heal` lets what was held back go on.
   */
  halfOpen(): void;
  heal(): void;
  /** New connections are refused, until `accept`; those that there are stay. */
  refuse(): void;
  accept(): Promise<void>;
  close(): Promise<void>;
}

/** Opens one in front of `target`, `host:port`. `random` is for jitter, uniform in [0, 1). */
export const faultProxy = async (target: string, random: () => number = Math.random): Promise<FaultProxy> => {
  const proxy = new FaultyLine(target, random);
  await proxy.accept();
  return proxy;
};

class FaultyLine implements FaultProxy {
  delayMs = 0;
  jitterMs = 0;
  bytesPerSecond: number = Number.POSITIVE_INFINITY;
  sliceBytes: number = Number.POSITIVE_INFINITY;
  opened = 0;
  held = false;
  readonly random: () => number;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #pipes: Set<Pipe> = new Set();
  #server: Server | null = null;
  #port = 0;

  constructor(target: string, random: () => number) {
    const colon = target.lastIndexOf(':');
    this.#target = { host: target.slice(0, colon), port: Number(target.slice(colon + 1)) };
    this.random = random;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get open(): number {
    return this.#pipes.size / 2;
  }

  cut(): void {
    for (const pipe of [...this.#pipes]) pipe.break();
  }

  halfOpen(): void {
    this.held = true;
  }

  heal(): void {
    this.held = false;
    for (const pipe of this.#pipes) pipe.go();
  }

  refuse(): void {
    // Its close waits for the connections, which stay: that it takes no more is so at once.
    this.#server?.close();
    this.#server = null;
  }

  async accept(): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (near) => this.#join(near));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (server.address() as { port: number }).port;
    this.#server = server;
  }

  async close(): Promise<void> {
    const gone = [...this.#pipes].map((pipe) => pipe.close());
    await Promise.all(gone);
    this.refuse();
  }

  #join(near: Socket): void {
    this.opened++;
    const far = connect({ ...this.#target, allowHalfOpen: true });
    const there = new Pipe(this, near, far);
    const back = new Pipe(this, far, near);
    const pipes = [there, back];
    for (const pipe of pipes) {
      this.#pipes.add(pipe);
      pipe.from.setNoDelay(true);
      pipe.from.on('error', () => {});
      pipe.from.on('close', () => this.#gone(pipe, pipes));
    }
  }

  /** A side that has ended well has had its end passed on; one that broke breaks the other, once that can be heard. */
  #gone(pipe: Pipe, pipes: readonly Pipe[]): void {
    pipe.stop();
    this.#pipes.delete(pipe);
    for (const other of pipes) if (other !== pipe) other.lost();
  }
}

interface Piece {
  readonly octets: Buffer;
  readonly dueAt: number;
}

/** Octets that a direction holds before it reads no more. */
const mostHeld = 256 * 1024;

/** One direction of one connection. */
class Pipe {
  readonly from: Socket;
  readonly #to: Socket;
  readonly #proxy: FaultyLine;
  readonly #pieces: Piece[] = [];
  #held = 0;
  #dueAt = 0;
  #ended = false;
  #lost = false;
  #breaking = false;
  #timer: NodeJS.Timeout | NodeJS.Immediate | null = null;

  constructor(proxy: FaultyLine, from: Socket, to: Socket) {
    this.#proxy = proxy;
    this.from = from;
    this.#to = to;
    from.on('data', (octets) => this.#take(octets as Buffer));
    from.on('end', () => {
      this.#ended = true;
      this.go();
    });
  }

  /** Passes on what is due, and comes again for the rest. */
  go(): void {
    if (this.#timer !== null || this.#proxy.held) return;
    if (this.#lost) {
      this.break();
      return;
    }
    const piece = this.#pieces[0];
    if (piece === undefined) {
      if (this.#ended) this.#to.end();
      return;
    }
    const waitMs = piece.dueAt - performance.now();
    const write = (): void => {
      this.#timer = null;
      if (this.#proxy.held) return;
      this.#pieces.shift();
      this.#held -= piece.octets.length;
      this.#to.write(piece.octets);
      if (this.#held < mostHeld) this.from.resume();
      this.go();
    };
    // A turn of the loop between two pieces, so that the other side reads them one by one.
    this.#timer = waitMs > 0.5 ? setTimeout(write, waitMs) : setImmediate(write);
  }

  /** The other side is gone: what comes from here leads nowhere. */
  lost(): void {
    this.#lost = true;
    this.go();
  }

  /** Ends this side by RST; where octets or an end are on their way already, the kernel chooses how. */
  break(): void {
    if (this.from.destroyed || this.#breaking) return;
    this.#breaking = true;
    if (this.from.writableLength > 0 || this.from.writableEnded) this.from.destroy();
    else this.from.resetAndDestroy();
  }

  async close(): Promise<void> {
    const closed = once(this.from, 'close').catch(() => {});
    // Destroyed in the middle of a reset a socket would stay open: the kernel refuses the reset.
    if (!this.#breaking) this.from.destroy();
    await closed;
  }

  stop(): void {
    clearTimeout(this.#timer as NodeJS.Timeout);
    clearImmediate(this.#timer as NodeJS.Immediate);
  }

  #take(octets: Buffer): void {
    const { delayMs, jitterMs, bytesPerSecond, sliceBytes, random } = this.#proxy;
    const late = delayMs + (2 * random() - 1) * jitterMs;
    for (let at = 0; at < octets.length; at += sliceBytes) {
      const piece = octets.subarray(at, Math.min(octets.length, at + sliceBytes));
      // Behind what went before, and after the time that a thin pipe takes for it.
      const free = Math.max(this.#dueAt, performance.now() + late);
      this.#dueAt = free + (piece.length * 1000) / bytesPerSecond;
      this.#pieces.push({ octets: piece, dueAt: this.#dueAt });
    }
    this.#held += octets.length;
    if (this.#held >= mostHeld) this.from.pause();
    this.go();
  }
}

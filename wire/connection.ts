import type { Socket } from 'node:net';
import { BlockedRing } from './blocked-ring.ts';
import { Dispatch } from './dispatch.ts';
import { Draining } from './draining.ts';
import { type Breach, Floods, ResetWatch } from './floods.ts';
import { FrameReader } from './frame-reader.ts';
import { defaultFrameSize, defaultWindow, ErrorCode, errorName, FrameType, preface } from './frames.ts';
import { Keepalive, type KeepaliveTimes } from './keepalive.ts';
import type { Limits } from './limits.ts';
import type { Driven, Loop } from './loop.ts';
import { Output } from './output.ts';
import { Preamble } from './preamble.ts';
import { ResetIds } from './reset-ids.ts';
import { encodeSettings, initialPeerSettings, type PeerSettings } from './settings.ts';
import { type Abort, Stream, type StreamListener } from './stream.ts';

/** Who hears of a connection. Called from the engine: must not throw. */
export interface ConnectionListener {
  /** The peer's SETTINGS have come: a client may open streams. */
  ready(): void;
  /** Server: a request has begun; answers who hears of it. `last`: it is already half-closed. */
  stream(stream: Stream, fields: string[], never: string[] | null, last: boolean): StreamListener;
  /** Client: a stream has ended or the limit has grown. */
  room(): void;
  /** The peer sent GOAWAY, or we began to drain: no new streams. */
  draining(reason: string): void;
  /** Gone; every stream has been told before. Once. */
  closed(reason: string): void;
  /** A limit was broken. */
  breach(breach: Breach): void;
}

/** How a connection is set up. */
export interface ConnectionOptions {
  readonly role: 'client' | 'server';
  readonly loop: Loop;
  readonly limits: Limits;
  readonly listener: ConnectionListener;
  /** Follow the gRPC messages in DATA, and hold them to `limits.messageBytes` and `messageMs`. Default true. */
  readonly followsMessages?: boolean;
  /** Ping after `intervalMs` of silence, give up `timeoutMs` later; only towards peers that said they take part. */
  readonly keepalive?: KeepaliveTimes;
  /** Begin to drain at this age; the caller adds jitter. 0 or absent: never. */
  readonly maxAgeMs?: number;
  /** How long streams may finish once draining, in milliseconds. Default 30,000. */
  readonly drainMs?: number;
  /** Server on plaintext: what to answer to HTTP/1.1. Our SETTINGS then wait for the preface. */
  readonly http1Answer?: Buffer;
  /** Share one between connections of one peer; default: one of its own. */
  readonly resets?: ResetWatch;
}

type State = 'opening' | 'ready' | 'draining' | 'closed';

/** Octets read before other connections have their turn. */
const octetsPerTurn = 256 * 1024;
/** How long the connection's send window may stay shut before new calls go elsewhere. */
const stuckMs = 100;
/** How long a peer has to close once it was told that the connection is over. */
const lingerMs = 1000;
/** How long streams may finish once draining, where nothing else was said. */
const defaultDrainMs = 30_000;

/**
 * Connection is one HTTP/2 connection in either role: it reads, writes, keeps the windows and ends in good order.
 * Nothing throws out of it. Ref: RFC 9113.
 */
export class Connection implements Driven {
  readonly role: 'client' | 'server';
  readonly loop: Loop;
  readonly limits: Limits;
  readonly listener: ConnectionListener;
  readonly followsMessages: boolean;
  readonly socket: Socket;
  readonly output: Output;
  readonly floods: Floods;
  readonly resets: ResetWatch;
  readonly streams: Map<number, Stream> = new Map();
  readonly peer: PeerSettings = initialPeerSettings();
  state: State = 'opening';
  sendWindow: number = defaultWindow;
  /** Monotonic milliseconds of the newest chunk. */
  readAt: number;
  /** Highest stream that the peer opened (server), or whose HEADERS have left for the socket (client). */
  lastStream = 0;
  /** Server, draining: streams above it are not taken up. */
  lastTaken: number = Number.POSITIVE_INFINITY;
  /** Remote streams that hold a place among the concurrent ones. */
  places = 0;

  readonly #options: ConnectionOptions;
  readonly #reader: FrameReader;
  readonly #dispatch: Dispatch;
  readonly #blocked = new BlockedRing();
  readonly #resetIds = new ResetIds();
  readonly #keepalive: Keepalive | null;
  /** Server, until the preface has come. */
  #preamble: Preamble | null;
  #draining: Draining | null = null;
  readonly #open: () => boolean;
  readonly #openedAt: number;
  #next = 1;
  #flushedStream = 0;
  #readInTurn = 0;
  #starvedAt = 0;
  #idleSince: number;
  #lingerAt = 0;

  constructor(socket: Socket, options: ConnectionOptions) {
    const { loop, limits, role } = options;
    this.role = role;
    this.loop = loop;
    this.limits = limits;
    this.listener = options.listener;
    this.followsMessages = options.followsMessages ?? true;
    this.socket = socket;
    this.#options = options;
    this.#openedAt = this.readAt = this.#idleSince = loop.now();
    this.output = new Output(socket, loop, this, limits.outputBytes / 4);
    this.floods = new Floods(limits, loop.now);
    this.resets = options.resets ?? new ResetWatch(limits.resetSample, loop.now);
    this.#dispatch = new Dispatch(this);
    this.#reader = new FrameReader(this.#dispatch, defaultFrameSize);
    this.#open = () => this.sendWindow > 0 && !this.output.congested && this.output.room > 0;
    this.#keepalive = options.keepalive === undefined ? null : new Keepalive(options.keepalive, this.output);
    this.#preamble = role === 'server' ? new Preamble() : null;
    if (role === 'client') this.output.raw(preface);
    if (options.http1Answer === undefined) this.#greet();
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('drain', () => this.#drained());
    socket.on('error', (error: Error) => this.#gone(error.message));
    socket.on('end', () => this.#gone('the peer closed the connection'));
    socket.on('close', () => this.#gone('the connection was closed'));
    loop.join(this);
  }

  /** The window that new streams begin with, as the peer says. */
  get peerWindow(): number {
    return this.peer.initialWindow;
  }

  /** Streams in progress. */
  get active(): number {
    return this.streams.size;
  }

  /** Streams that may be opened now (client). */
  get room(): number {
    if (this.state !== 'ready' || this.stuck || this.#next > 0x7fff_fffd) return 0;
    return Math.max(0, Math.min(this.peer.concurrentStreams, 0xffff) - this.streams.size);
  }

  /** The send window has been shut for long: what is sent now would wait. */
  get stuck(): boolean {
    return this.#starvedAt !== 0 && this.loop.now() - this.#starvedAt >= stuckMs;
  }

  /** Opens a stream and sends the request's fields, pseudo-fields first (client). Only while `room > 0`. */
  open(
    fields: readonly string[],
    never: readonly string[] | null,
    last: boolean,
    listener: StreamListener,
  ): Stream {
    const stream = new Stream(this, this.#next, listener, this.readAt, false);
    this.#next += 2;
    this.streams.set(stream.id, stream);
    stream.headers(fields, never, last);
    return stream;
  }

  /**
   * Ends in good order: no new streams, those in progress finish within `drainMs`. A server says so in two steps, so
   * that streams already under way are not lost. Ref: RFC 9113 section 6.8.
   */
  drain(reason: string): void {
    if (this.state === 'draining' || this.state === 'closed') return;
    const draining = this.#beginDraining(reason);
    if (this.role === 'server') draining.announce();
    else this.#finishIfDrained();
  }

  /** Ends now: streams in progress are aborted. */
  close(reason: string): void {
    this.#shut(ErrorCode.NO_ERROR, reason);
  }

  /** Ends for a fault of the peer's: GOAWAY with `code`, then the socket. */
  fail(code: number, reason: string, breach?: Breach): void {
    if (breach !== undefined && this.state !== 'closed') this.listener.breach(breach);
    this.#shut(code, `${errorName(code)}: ${reason}`);
  }

  // What follows is the engine's own.

  flush(): void {
    this.#flushedStream = this.#next - 2;
    this.output.flush();
    if (this.output.waiting > this.limits.outputBytes) this.#destroy('the peer does not read', 'output');
    else if (this.#blocked.waits && this.#open()) this.#blocked.pump(this.#open);
  }

  /** How many of `bytes` the windows and the socket let through now. */
  passes(stream: Stream, bytes: number): number {
    if (this.sendWindow <= 0) {
      if (this.#starvedAt === 0) this.#starvedAt = this.loop.now();
      return 0;
    }
    if (this.output.congested || stream.sendWindow <= 0) return 0;
    return Math.max(0, Math.min(bytes, stream.sendWindow, this.sendWindow, this.output.room));
  }

  /** Whether a stream's receive window of `size` may double. */
  mayGrow(size: number): boolean {
    return size * 2 <= this.limits.largestStreamWindow && this.loop.held * 2 < this.loop.heldLimit;
  }

  /** Puts a stream among those that wait for a window. */
  block(stream: Stream): void {
    this.#blocked.add(stream);
    if (this.#open() && stream.sendWindow > 0) this.#blocked.pump(this.#open);
  }

  /** The peer's WINDOW_UPDATE for the connection has been added. */
  unblock(): void {
    if (this.sendWindow <= 0) return;
    const wasStuck = this.#starvedAt !== 0;
    this.#starvedAt = 0;
    this.#blocked.pump(this.#open);
    if (wasStuck && this.role === 'client') this.listener.room();
  }

  /** The peer's SETTINGS have been read. */
  settled(): void {
    if (this.state !== 'opening') {
      this.#blocked.pump(this.#open);
      if (this.state === 'ready' && this.role === 'client') this.listener.room();
      return;
    }
    this.state = 'ready';
    this.listener.ready();
  }

  /** GOAWAY came. Streams above `last` were not taken up (RFC 9113 section 6.8). */
  goneAway(last: number, code: number, text: string): void {
    const reason = `the peer sent GOAWAY (${errorName(code)}${text === '' ? '' : `: ${text}`})`;
    this.#beginDraining(reason);
    if (this.role === 'client')
      for (const stream of [...this.streams.values()])
        if (stream.id > last) stream.abort({ code, by: 'connection', reached: false, message: reason });
    this.#finishIfDrained();
  }

  /** PING ACK came. */
  ponged(high: number, low: number): void {
    if (this.#draining?.answers(high, low)) this.#secondStep();
  }

  rememberReset(id: number): void {
    this.#resetIds.add(
      id,
      this.role === 'server' ? this.limits.concurrentStreams : this.peer.concurrentStreams,
    );
  }

  wasReset(id: number): boolean {
    return this.#resetIds.has(id);
  }

  /** Streams that were never opened, by either side. */
  isIdle(id: number): boolean {
    return this.role === 'server'
      ? id > this.lastStream || (id & 1) === 0
      : id >= this.#next || (id & 1) === 0;
  }

  forget(stream: Stream): void {
    this.streams.delete(stream.id);
    if (this.streams.size === 0) this.#idleSince = this.readAt;
    if (this.state === 'draining') this.#finishIfDrained();
    else if (this.role === 'client' && this.state === 'ready') this.listener.room();
  }

  freePlace(): void {
    if (this.role === 'server') this.places--;
  }

  /** The stream that holds most octets of the loop's budget. */
  heaviest(): Stream | null {
    let heaviest: Stream | null = null;
    for (const stream of this.streams.values())
      if (stream.queued > (heaviest?.queued ?? 0)) heaviest = stream;
    return heaviest;
  }

  tick(now: number): void {
    const { limits } = this;
    if (this.#lingerAt !== 0) {
      if (now >= this.#lingerAt) this.socket.destroy();
      return;
    }
    if (this.state === 'opening' && now - this.#openedAt >= limits.prefaceMs)
      return this.#destroy('no HTTP/2 preface in time', 'preface-timeout');
    if (this.#dispatch.expire(now)) return this.#destroy('a header block without end', 'headers-timeout');
    if (this.#reader.waited(now) >= (this.#reader.inData ? limits.messageMs : limits.headersMs))
      return this.#destroy('a frame without end', 'headers-timeout');
    if (this.#draining !== null) this.#tickDraining(this.#draining, now);
    else this.#tickAge(now);
    if (this.peer.keepalive && this.#keepalive?.tick(now, this.readAt) === false)
      this.#destroy('the peer does not answer pings');
  }

  #read(chunk: Buffer): void {
    if (this.state === 'closed') return; // lingering: what still comes is nobody's
    this.readAt = this.loop.now();
    this.#readInTurn += chunk.length;
    if (this.#readInTurn > octetsPerTurn && !this.socket.isPaused()) this.#yield();
    if (this.#preamble === null) this.#reader.push(chunk, 0, this.readAt);
    else this.#readPreface(this.#preamble, chunk);
  }

  #readPreface(preamble: Preamble, chunk: Buffer): void {
    const { http1Answer } = this.#options;
    switch (preamble.read(chunk)) {
      case 'partial':
        return;
      case 'http2':
        this.#preamble = null;
        if (http1Answer !== undefined) this.#greet();
        return this.#reader.push(chunk, preamble.taken, this.readAt);
      case 'http1':
        if (http1Answer === undefined) break;
        this.output.raw(http1Answer);
        return this.#end('the peer speaks HTTP/1.1');
    }
    this.fail(ErrorCode.PROTOCOL_ERROR, 'this is not an HTTP/2 preface');
  }

  #greet(): void {
    const { role, limits, output } = this;
    const keepalive = this.#options.keepalive !== undefined;
    output.frame(FrameType.SETTINGS, 0, 0, encodeSettings(role, limits, keepalive));
    if (limits.connectionWindow > defaultWindow)
      output.words(FrameType.WINDOW_UPDATE, 0, 0, limits.connectionWindow - defaultWindow);
  }

  /** Lets the other connections read before this one goes on. */
  #yield(): void {
    this.socket.pause();
    setImmediate(() => {
      this.#readInTurn = 0;
      if (!this.socket.destroyed) this.socket.resume();
    });
  }

  #drained(): void {
    this.output.congested = false;
    this.#blocked.pump(this.#open);
  }

  #beginDraining(reason: string): Draining {
    if (this.#draining !== null) return this.#draining;
    const { drainMs = defaultDrainMs } = this.#options;
    this.#draining = new Draining(this.role, this.output, this.loop.now(), drainMs);
    if (this.state === 'closed') return this.#draining;
    this.state = 'draining';
    this.listener.draining(reason);
    return this.#draining;
  }

  #tickDraining(draining: Draining, now: number): void {
    if (draining.overdue(now)) this.#secondStep();
    if (draining.over(now)) this.close('time to drain is over');
  }

  #tickAge(now: number): void {
    const { maxAgeMs = 0 } = this.#options;
    const { idleMs } = this.limits;
    if (maxAgeMs > 0 && now - this.#openedAt >= maxAgeMs) this.drain('maximum connection age');
    else if (idleMs > 0 && this.streams.size === 0 && now - this.#idleSince >= idleMs) this.drain('idle');
  }

  /** The second GOAWAY names the last stream that was taken up. */
  #secondStep(): void {
    const draining = this.#draining;
    if (draining === null || draining.lastKnown || this.state === 'closed') return;
    this.lastTaken = this.lastStream;
    draining.conclude(this.lastTaken);
    this.#finishIfDrained();
  }

  #finishIfDrained(): void {
    if (this.state === 'draining' && this.streams.size === 0 && this.#draining?.lastKnown === true)
      this.#shut(ErrorCode.NO_ERROR, 'drained');
  }

  /** GOAWAY, flush, half-close; the socket is destroyed when the peer does not close within a second. */
  #shut(code: number, reason: string): void {
    if (this.state === 'closed') return;
    const last = this.role === 'server' ? Math.min(this.lastStream, this.lastTaken) : 0;
    this.output.words(FrameType.GOAWAY, 0, 0, last, code);
    this.#end(reason, code);
  }

  #end(reason: string, code: number = ErrorCode.NO_ERROR): void {
    this.#flushedStream = this.#next - 2; // what was written is sent with the GOAWAY
    this.#over(code, reason);
    this.output.flush();
    this.socket.end();
    this.#lingerAt = this.loop.now() + lingerMs;
    if (this.socket.isPaused()) this.socket.resume();
  }

  #destroy(reason: string, breach?: Breach): void {
    if (breach !== undefined && this.state !== 'closed') this.listener.breach(breach);
    this.#over(ErrorCode.NO_ERROR, reason);
    this.socket.destroy();
    this.loop.leave(this); // a socket that was dead when it came never says 'close'
  }

  #gone(reason: string): void {
    this.#over(ErrorCode.NO_ERROR, reason);
    if (!this.socket.destroyed) this.socket.destroy();
    this.loop.leave(this);
  }

  /** Tells every stream, then the listener. */
  #over(code: number, reason: string): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    for (const stream of [...this.streams.values()]) {
      const reached = this.role === 'server' || stream.id <= this.#flushedStream;
      const abort: Abort = { code, by: 'connection', reached, message: reason };
      stream.abort(abort);
    }
    this.listener.closed(reason);
  }
}

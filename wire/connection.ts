import type { Socket } from 'node:net';
import type { ConnectionListener, ConnectionOptions } from './connection-options.ts';
import { Dispatch } from './dispatch.ts';
import { Draining } from './draining.ts';
import { defaultDrainMs, dueFor, isDue } from './due.ts';
import { type Breach, Floods, ResetWatch } from './floods.ts';
import { defaultWindow, ErrorCode, errorName, FrameType, preface } from './frames.ts';
import { Incoming } from './incoming.ts';
import { Keepalive } from './keepalive.ts';
import type { Limits } from './limits.ts';
import type { Driven, Loop } from './loop.ts';
import { Output } from './output.ts';
import { readInto } from './read-into.ts';
import { Sending } from './sending.ts';
import { encodeSettings, initialPeerSettings, type PeerSettings } from './settings.ts';
import { Stream } from './stream.ts';
import { StreamIds } from './stream-ids.ts';
import type { StreamListener } from './stream-listener.ts';
import { StreamTable } from './stream-table.ts';

type State = 'opening' | 'ready' | 'draining' | 'closed';

/** How long a peer has to close once it was told that the connection is over. */
const lingerMs = 1000;
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
  readonly sending: Sending;
  readonly ids: StreamIds;
  readonly floods: Floods;
  readonly resets: ResetWatch;
  readonly streams: StreamTable = new StreamTable();
  readonly peer: PeerSettings = initialPeerSettings();
  state: State = 'opening';
  /** Monotonic milliseconds of the newest chunk. */
  readAt: number;
  /** Remote streams that hold a place among the concurrent ones. */
  places = 0;

  readonly #options: ConnectionOptions;
  readonly #incoming: Incoming;
  readonly #dispatch: Dispatch;
  readonly #keepalive: Keepalive | null;
  #draining: Draining | null = null;
  #greeted = false;
  readonly #openedAt: number;
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
    this.ids = new StreamIds(role);
    this.sending = new Sending(this.output, loop.now);
    this.floods = new Floods(limits, loop.now);
    this.resets = options.resets ?? new ResetWatch(limits.resetSample, loop.now);
    this.#dispatch = new Dispatch(this);
    this.#incoming = new Incoming(this, this.#dispatch, options.http1Answer ?? null);
    this.#keepalive = options.keepalive === undefined ? null : new Keepalive(options.keepalive, this.output);
    if (role === 'client') this.output.raw(preface);
    if (options.http1Answer === undefined) this.greet();
    socket.setNoDelay(true);
    readInto(socket, loop.readBuffer, (chunk) => this.#read(chunk));
    socket.on('drain', () => {
      this.sending.drained();
      if (role === 'client' && this.state === 'ready') this.listener.room();
    });
    socket.on('error', (error: Error) => this.#gone(error.message));
    socket.on('end', () => this.#gone('the peer closed the connection'));
    socket.on('close', () => this.#gone('the connection was closed'));
    loop.join(this);
  }

  /** Streams that may be opened now (client). */
  get room(): number {
    if (this.state !== 'ready' || this.sending.stuck || this.output.full || this.ids.next > 0x7fff_fffd)
      return 0;
    return Math.max(0, Math.min(this.peer.concurrentStreams, 0xffff) - this.streams.size);
  }

  /** Opens a stream and sends the request's fields, pseudo-fields first (client). Only while `room > 0`. */
  open(
    fields: readonly string[],
    never: readonly string[] | null,
    last: boolean,
    listener: StreamListener,
  ): Stream {
    const stream = new Stream(this, this.ids.next, listener, this.readAt, false);
    this.ids.next += 2;
    this.streams.add(stream);
    stream.headers(fields, never, last);
    return stream;
  }

  /**
   * Ends in good order: no new streams, those in progress finish within `limitMs`. A server says so in two steps, so
   * that streams already under way are not lost. Ref: RFC 9113 section 6.8.
   */
  drain(reason: string, limitMs: number = this.#options.drainMs ?? defaultDrainMs): void {
    if (this.state === 'draining' || this.state === 'closed') return;
    const draining = this.#beginDraining(reason, limitMs);
    if (!this.#greeted) this.close(reason);
    else if (this.role === 'server') draining.announce();
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
    this.output.flush();
    if (this.output.flooded) this.#destroy('the peer does not read', 'output');
    else this.sending.pump();
  }

  /** Our SETTINGS, and the connection's receive window. */
  greet(): void {
    const { role, limits, output } = this;
    this.#greeted = true;
    output.frame(FrameType.SETTINGS, 0, 0, encodeSettings(role, limits, this.#keepalive !== null));
    if (limits.connectionWindow > defaultWindow)
      output.words(FrameType.WINDOW_UPDATE, 0, 0, limits.connectionWindow - defaultWindow);
  }

  /** Flushes and half-closes; the socket is destroyed when the peer does not close within a second. */
  end(reason: string, code: number = ErrorCode.NO_ERROR): void {
    this.output.flush(); // first: what was written is sent with the GOAWAY
    this.#over(code, reason);
    this.socket.end();
    this.#lingerAt = this.loop.now() + lingerMs;
    if (this.socket.isPaused()) this.socket.resume();
  }

  /** The peer's WINDOW_UPDATE for the connection has been added. */
  refilled(): void {
    if (this.sending.refilled() && this.role === 'client') this.listener.room();
  }

  /** The peer's SETTINGS have been read. */
  settled(): void {
    if (this.state !== 'opening') {
      this.sending.pump();
      if (this.state === 'ready' && this.role === 'client') this.listener.room();
      return;
    }
    this.state = 'ready';
    this.listener.ready();
  }

  /** GOAWAY came. Streams above `last` were not taken up (RFC 9113 section 6.8). */
  goneAway(last: number, code: number, text: string): void {
    this.#keepalive?.goneAway(code, text);
    const reason = `the peer sent GOAWAY (${errorName(code)}${text === '' ? '' : `: ${text}`})`;
    this.#beginDraining(reason, Number.POSITIVE_INFINITY);
    if (this.role === 'client')
      for (const stream of this.streams.list())
        if (stream.id > last) stream.abort({ code, by: 'connection', reached: false, message: reason });
    this.#finishIfDrained();
  }

  /** PING ACK came. */
  ponged(high: number, low: number): void {
    if (this.#draining?.answers(high, low)) this.#secondStep();
  }

  forget(stream: Stream): void {
    this.streams.delete(stream.id);
    if (this.streams.size === 0) this.#idleSince = this.readAt;
    if (this.state === 'draining') this.#finishIfDrained();
    else if (this.role === 'client' && this.state === 'ready') this.listener.room();
  }

  holders(): Iterable<Stream> {
    return this.streams.list();
  }

  tick(now: number): void {
    const { limits } = this;
    if (this.#lingerAt !== 0) {
      if (now >= this.#lingerAt) this.socket.destroy();
      return;
    }
    if (this.state === 'opening' && isDue(now - this.#openedAt, limits.prefaceMs))
      return this.#destroy('no HTTP/2 preface in time', 'preface-timeout');
    if (this.#dispatch.expire(now)) return this.#destroy('a header block without end', 'headers-timeout');
    if (this.#incoming.overdue(now)) return this.#destroy('a frame without end', 'headers-timeout');
    this.#tickAge(now);
    if (this.output.stalled(now)) return this.#destroy('the peer does not read', 'output');
    if (this.#draining?.overdue(now)) this.#secondStep();
    if (this.#draining?.over(now)) this.close('time to drain is over');
    if (this.#keepalive?.tick(now, this.readAt, this.peer.keepalive, this.streams.size > 0) === false)
      this.#destroy('the peer does not answer pings');
  }

  #read(chunk: Buffer): void {
    if (this.state === 'closed') return this.#incoming.discard(chunk);
    this.readAt = this.loop.now();
    this.#incoming.read(chunk, this.readAt);
  }

  #beginDraining(reason: string, limitMs: number): Draining {
    if (this.#draining !== null) return this.#draining;
    this.#draining = new Draining(this.role, this.output, this.loop.now(), limitMs);
    if (this.state === 'closed') return this.#draining;
    this.state = 'draining';
    this.listener.draining(reason);
    return this.#draining;
  }

  #tickAge(now: number): void {
    const { maxAgeMs = 0, mustEndMs = 0, drainMs = defaultDrainMs } = this.#options;
    const idleMs = this.streams.size === 0 ? now - this.#idleSince : 0;
    const due = dueFor(
      { maxAgeMs, mustEndMs, drainMs, idleLimitMs: this.limits.idleMs },
      now - this.#openedAt,
      idleMs,
    );
    if (due === null) return;
    if (due.limitMs === 0) this.close(due.reason);
    else this.drain(due.reason, due.limitMs);
  }

  /** The second GOAWAY names the last stream that was taken up. */
  #secondStep(): void {
    const draining = this.#draining;
    if (draining === null || draining.lastKnown || this.state === 'closed') return;
    this.ids.lastTaken = this.ids.last;
    draining.conclude(this.ids.lastTaken);
    this.#finishIfDrained();
  }

  #finishIfDrained(): void {
    if (this.state === 'draining' && this.streams.size === 0 && this.#draining?.lastKnown === true)
      this.#shut(ErrorCode.NO_ERROR, 'drained');
  }

  /** GOAWAY, then the end. */
  #shut(code: number, reason: string): void {
    if (this.state === 'closed') return;
    const last = this.role === 'server' ? Math.min(this.ids.last, this.ids.lastTaken) : 0;
    // Where nothing has been said yet there is nothing to say goodbye to (RFC 9113 section 3.4).
    if (this.#greeted) this.output.words(FrameType.GOAWAY, 0, 0, last, code);
    this.end(reason, code);
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
    for (const stream of this.streams.list()) {
      if (this.role === 'server' && !stream.headersSent) this.resets.lost(stream.openedAt);
      const reached = this.role === 'server' || stream.id <= this.output.sentStream;
      stream.abort({ code, by: 'connection', reached, message: reason });
    }
    this.listener.closed(reason);
  }
}

import net from 'node:net';
import tls from 'node:tls';
import { Connection, type Limits, type Loop, PortResets, ResetWatch } from '../../wire/index.ts';
import type { Call } from '../core/call.ts';
import type { Cell } from '../core/cell.ts';
import type { Identity } from '../core/identity.ts';
import { CallerStream } from './caller-stream.ts';
import { Handshakes } from './handshakes.ts';
import { Intake, type IntakeOptions } from './intake.ts';
import {
  certificateLifeMs,
  contextOptions,
  type LeastTls,
  mutual,
  onLostRoot,
  type PeerIdentity,
  readPeer,
} from './tls.ts';

/** Where and for whom a listener listens. */
export interface ListenerOptions extends IntakeOptions {
  readonly loop: Loop;
  readonly limits: Limits;
  readonly at: { readonly host: string; readonly port: number } | { readonly path: string };
  /** `app`: calls from our own app; `peers`: calls from other sidecars. */
  readonly name: 'app' | 'peers';
  /** Null: plaintext. */
  readonly identities: Cell<Identity | null> | null;
  /** Default TLSv1.2. */
  readonly leastTls?: LeastTls;
  readonly keepalive: { readonly intervalMs: number; readonly timeoutMs: number } | null;
  /** Age at which a connection is replaced, in milliseconds, with a tenth of jitter; 0: never. */
  readonly maxAgeMs: number;
  /** How long streams may finish on a connection that drains, in milliseconds. */
  readonly drainMs: number;
}

/** A listener that is open. */
export interface Listener {
  /** `host:port` or `unix:PATH`, as bound. */
  readonly address: string;
  /** The calls in progress on all connections, found by a walk over what is open: nobody keeps a list of them. */
  calls(): Call[];
  /** Takes no new connections, and lets the open ones finish within `drainMs`. Resolves when none is left. */
  drain(): Promise<void>;
  /** Resolves when no connection is open. */
  emptied(): Promise<void>;
  /** Ends everything now. */
  close(): Promise<void>;
}

/** Verified peers reset streams for good reasons (deadlines, hedges): they may do it ten times as much. */
const verifiedFactor = 10;

/** Opens a listener. Rejects when the address is in use, saying which. */
export const listen = (options: ListenerOptions): Promise<Listener> => {
  const opened = new OpenListener(options);
  return opened.open();
};

class OpenListener implements Listener {
  address = '';
  readonly #options: ListenerOptions;
  readonly #intake: Intake;
  readonly #server: net.Server;
  readonly #connections: Set<Connection> = new Set();
  readonly #handshakes: Handshakes;
  /** Reset watches of verified peers, by their SPIFFE id: reconnecting buys nothing. */
  readonly #resets: Map<string, ResetWatch> = new Map();
  /** Of all callers that prove nothing. */
  readonly #unproven: PortResets;
  #draining = false;
  #awaitsEmpty: (() => void)[] = [];
  #closed: Promise<void> = Promise.resolve();

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#intake = new Intake(options);
    this.#handshakes = new Handshakes(options.kit);
    this.#unproven = new PortResets(options.limits.resetSample, options.loop.now);
    this.#server = options.identities === null ? this.#plaintext() : this.#secure(options.identities);
  }

  open(): Promise<Listener> {
    const { at, name } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        const where = 'path' in at ? `unix:${at.path}` : `${at.host}:${at.port}`;
        const why = error.code === 'EADDRINUSE' ? 'the address is in use' : error.message;
        reject(new Error(`listen.${name}: cannot listen on ${where}: ${why}`, { cause: error }));
      });
      this.#server.listen(at, () => {
        // One connection that cannot be accepted must not end the process.
        this.#server.removeAllListeners('error').on('error', (error) => this.#refused(error));
        this.address = 'path' in at ? `unix:${at.path}` : boundAddress(this.#server);
        this.#closed = new Promise((done) => this.#server.once('close', done));
        resolve(this);
      });
    });
  }

  calls(): Call[] {
    const found: Call[] = [];
    for (const connection of this.#connections)
      for (const { listener } of connection.streams.list())
        if (listener instanceof CallerStream && listener.call !== null) found.push(listener.call);
    return found;
  }

  async drain(): Promise<void> {
    this.#draining = true;
    this.#server.close();
    this.#handshakes.close();
    for (const connection of this.#connections) connection.drain('the sidecar stops');
    await this.#closed;
  }

  emptied(): Promise<void> {
    if (this.#connections.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#awaitsEmpty.push(resolve));
  }

  async close(): Promise<void> {
    if (!this.#draining) this.#server.close();
    this.#draining = true;
    this.#handshakes.close();
    for (const connection of this.#connections) connection.close('the sidecar stops');
    await this.#closed;
  }

  #plaintext(): net.Server {
    return net.createServer({ noDelay: true }, (socket) => this.#accept(socket, null, null, null));
  }

  #secure(identities: Cell<Identity | null>): net.Server {
    const { limits, kit, leastTls = 'TLSv1.2' } = this.#options;
    const server = tls.createServer({
      ...mutual(leastTls),
      handshakeTimeout: limits.prefaceMs,
    });
    // In front of it, so that a socket that is refused costs no TLS: it is handed on as Node's pages say.
    const door = net.createServer((socket) => {
      if (this.#handshakes.begin(socket, identities.value)) server.emit('connection', socket);
    });
    // New handshakes show the newest certificate; open connections keep theirs until they drain.
    const apply = (identity: Identity | null): void => {
      if (identity !== null) server.setSecureContext(contextOptions(identity, leastTls));
    };
    apply(identities.value);
    const unlisten = identities.listen(apply);
    door.on('close', unlisten);
    server.on('tlsClientError', (error: Error, socket: tls.TLSSocket) => {
      kit.meter.count('outrigger_handshakes_refused_total', refusalReason(error, socket)).value++;
      const why = socket.authorizationError ?? error.message;
      kit.log.debug({ error: String(why), from: socket.remoteAddress }, 'a TLS handshake failed');
      socket.destroy();
    });
    server.on('secureConnection', (socket) => this.#identify(socket, identities));
    return door;
  }

  #identify(socket: tls.TLSSocket, identities: Cell<Identity | null>): void {
    const { kit } = this.#options;
    const begun = this.#handshakes.end(socket);
    const identity = identities.value;
    const peer = identity === null ? { why: 'we have no certificate' } : readPeer(socket, identity);
    if ('why' in peer) {
      kit.meter.count('outrigger_handshakes_refused_total', 'identity').value++;
      kit.log.warn({ why: peer.why, from: socket.remoteAddress }, 'a peer was refused for its certificate');
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    // Believed as of when the handshake began: a root may have been removed since.
    this.#accept(socket, peer, identities, begun ?? identity);
  }

  #accept(
    socket: net.Socket,
    peer: PeerIdentity | null,
    identities: Cell<Identity | null> | null,
    identity: Identity | null,
  ): void {
    if (this.#draining) {
      socket.destroy();
      return;
    }
    const { kit, loop, limits, keepalive, maxAgeMs, drainMs, name } = this.#options;
    if (peer === null && this.#unproven.churns) {
      // Whoever hangs up on hundreds of calls to dial again makes us reset them at the peers, whose patience has an end.
      kit.meter.count('outrigger_limit_breaches_total', name, 'resets').value++;
      socket.destroy();
      return;
    }
    const caller = peer?.service ?? '';
    let unlisten = (): void => {};
    const lifeMs =
      peer === null || identity === null ? 0 : certificateLifeMs(peer, identity, kit.clock.wall());
    const connection: Connection = new Connection(socket, {
      role: 'server',
      loop,
      limits,
      ...(keepalive && { keepalive }),
      ...(peer === null && { http1Answer: (begun) => this.#intake.http1(begun, name) }),
      resets: this.#resetWatch(peer),
      maxAgeMs: maxAgeMs * (0.9 + 0.2 * kit.random()),
      mustEndMs: lifeMs,
      drainMs,
      listener: {
        ready: () => {},
        stream: (stream, fields, never, last) => this.#intake.take(stream, fields, never, last, caller),
        room: () => {},
        draining: () => {},
        closed: (reason) => {
          unlisten();
          this.#left(connection);
          kit.log.debug({ listener: name, caller, reason }, 'a connection ended');
        },
        breach: (breach) => kit.meter.count('outrigger_limit_breaches_total', name, breach).value++,
      },
    });
    this.#connections.add(connection);
    kit.meter.count('outrigger_connections_total', name).value++;
    kit.meter.count('outrigger_connections', name).value++;
    if (identity === null || identities === null) return;
    unlisten = onLostRoot(identities, identity, () => connection.drain('a root certificate was removed'));
  }

  #refused(error: Error): void {
    const { kit, name } = this.#options;
    kit.log.error({ listener: name, error: error.message }, 'a connection could not be accepted');
  }

  #left(connection: Connection): void {
    const { kit, name } = this.#options;
    this.#connections.delete(connection);
    kit.meter.count('outrigger_connections', name).value--;
    if (this.#connections.size > 0) return;
    const awaits = this.#awaitsEmpty;
    this.#awaitsEmpty = [];
    for (const resolve of awaits) resolve();
  }

  #resetWatch(peer: PeerIdentity | null): ResetWatch {
    const { limits, loop } = this.#options;
    if (peer === null) return new ResetWatch(limits.resetSample, loop.now, this.#unproven);
    let watch = this.#resets.get(peer.spiffe);
    if (watch === undefined) {
      watch = new ResetWatch(limits.resetSample * verifiedFactor, loop.now);
      if (this.#resets.size >= 1000) this.#resets.clear();
      this.#resets.set(peer.spiffe, watch);
    }
    return watch;
  }
}

const boundAddress = (server: net.Server): string => {
  const { address, family, port } = server.address() as net.AddressInfo;
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
};

const refusalReason = (error: NodeJS.ErrnoException, socket: tls.TLSSocket): string => {
  // A chain that is not believed ends in ECONNRESET here; the socket alone knows why.
  if (socket.authorizationError != null) return 'certificate';
  const code = error.code ?? '';
  if (code === 'ERR_SSL_HTTP_REQUEST' || code === 'ERR_SSL_WRONG_VERSION_NUMBER') return 'plaintext';
  if (code.includes('CERT') || code.includes('SELF_SIGNED') || code.includes('ISSUER')) return 'certificate';
  if (code.includes('ALPN') || code.includes('APPLICATION_PROTOCOL')) return 'alpn';
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT' || code === 'ECONNRESET') return 'unfinished';
  return 'other';
};

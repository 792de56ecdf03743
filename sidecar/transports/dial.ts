import net from 'node:net';
import tls from 'node:tls';
import { Connection, type Limits, type Loop, PingPace } from '../../wire/index.ts';
import type { Attempt } from '../core/call.ts';
import type { Cell } from '../core/cell.ts';
import type { Address } from '../core/endpoint.ts';
import type { Identity } from '../core/identity.ts';
import type { Kit } from '../core/kit.ts';
import type { Dial, Link, LinkEvents } from '../core/link.ts';
import { type Reply, refuse } from '../core/reply.ts';
import { broken, Code, refused, type Status } from '../core/status.ts';
import type { Timer } from '../core/wheel.ts';
import { lookupAllowed } from './lookup.ts';
import { type Peer, PeerStream } from './peer-stream.ts';
import { type Direction, requestFields } from './request-fields.ts';
import { Contexts, certificateLifeMs, type LeastTls, mutual, onLostRoot, readPeer } from './tls.ts';
import { Turnstile } from './turnstile.ts';

/** How peers are dialled. */
export interface DialOptions {
  readonly kit: Kit;
  readonly loop: Loop;
  readonly limits: Limits;
  /** Null: plaintext. */
  readonly identities: Cell<Identity | null> | null;
  /** Default TLSv1.2. */
  readonly leastTls?: LeastTls;
  readonly direction: Direction;
  /** Milliseconds for TCP and TLS together. */
  readonly connectMs: number;
  /** Age at which a connection is replaced, in milliseconds, with a tenth of jitter; 0: never. */
  readonly maxAgeMs: number;
  /** How long calls may finish on a connection that drains, in milliseconds. */
  readonly drainMs: number;
  /** Pings between outriggers, and far fewer to other peers; null: none, as towards our own app. */
  readonly keepalive: { readonly intervalMs: number; readonly timeoutMs: number } | null;
}

/** TLS handshakes that we begin at once: each costs a millisecond of the loop that carries the calls. */
const handshakesAtOnce = 32;
/** Peers whose complaints of pings are remembered. */
const pacesKept = 1000;

/** What all links of a dialler share. */
class Shared {
  readonly contexts: Contexts;
  readonly turnstile: Turnstile = new Turnstile(handshakesAtOnce);
  readonly #paces: Map<string, PingPace> = new Map();

  constructor(least: LeastTls) {
    this.contexts = new Contexts(least);
  }

  /** How often the peer at `id` is pinged, if it is no outrigger. */
  paceOf(id: string): PingPace {
    let pace = this.#paces.get(id);
    if (pace === undefined) {
      if (this.#paces.size >= pacesKept) this.#paces.clear();
      this.#paces.set(id, (pace = new PingPace()));
    }
    return pace;
  }
}

/** Opens connections to peers over TCP or unix sockets, with mutual TLS where there is an identity. */
export const dialler = (options: DialOptions): Dial => {
  const shared = new Shared(options.leastTls ?? 'TLSv1.2');
  return (address, events, connectMs = options.connectMs) =>
    new PeerLink(address, events, { ...options, connectMs }, shared);
};

class PeerLink implements Link, Peer, Timer {
  state: 'connecting' | 'ready' | 'draining' | 'closed' = 'connecting';
  active = 0;
  connection!: Connection;
  readonly where: string;
  slot = -1;
  dueAt = 0;
  before: Timer | null = null;
  after: Timer | null = null;

  readonly #address: Address;
  readonly #events: LinkEvents;
  readonly #options: DialOptions;
  readonly #shared: Shared;
  #socket: net.Socket | null = null;
  readonly #onClose = (): void => this.#failed('it closed the connection during the handshake');
  #leave: () => void = () => {};
  #unlisten: () => void = () => {};

  constructor(address: Address, events: LinkEvents, options: DialOptions, shared: Shared) {
    this.#address = address;
    this.#events = events;
    this.#options = options;
    this.#shared = shared;
    const { turnstile } = shared;
    this.where = address.id;
    options.kit.wheel.arm(this, options.connectMs);
    if (options.identities === null) queueMicrotask(() => this.#plaintext());
    else
      turnstile.enter(() => {
        this.#leave = () => {
          this.#leave = () => {};
          turnstile.leave();
        };
        queueMicrotask(() => this.#secure());
      });
  }

  /** Verified, and an outrigger: it said so in its SETTINGS. An app behind another proxy could say anything. */
  get trusted(): boolean {
    return this.#options.identities !== null && this.connection.peer.keepalive;
  }

  get room(): number {
    return this.state === 'ready' ? this.connection.room : 0;
  }

  send(attempt: Attempt): Promise<Reply> {
    if (this.room === 0)
      return Promise.resolve(refuse(broken(`${this.where}: the connection is ${this.state}`, false)));
    const { direction, kit } = this.#options;
    const now = kit.clock.now();
    const { life, deadlineAt } = attempt.call;
    // Its timer may be a tick late: whom it is for has given up, and no app must begin on it.
    if (now >= deadlineAt) return Promise.resolve(refuse(tooLate(this.where)));
    life.sent(now);
    const fields = requestFields(attempt, direction, now);
    this.active++;
    return new PeerStream(attempt, this, fields).begun;
  }

  drain(): void {
    if (this.state === 'ready') this.connection.drain('no longer wanted');
    else if (this.state === 'connecting') this.close('no longer wanted');
  }

  close(reason: string): void {
    if (this.state === 'connecting') this.#failed(reason);
    else if (this.state !== 'closed') this.connection.close(reason);
  }

  done(): void {
    this.active--;
  }

  wasReset(): void {
    this.#options.kit.meter.count('outrigger_resets_total', 'peer').value++;
  }

  /** The time for TCP and TLS is over. */
  expire(): void {
    this.#failed(`connecting took longer than ${this.#options.connectMs} ms`);
  }

  #plaintext(): void {
    if (this.state !== 'connecting') return;
    const socket = net.connect(this.#place());
    this.#watch(socket);
    socket.once('connect', () => this.#connected(socket, 0));
  }

  #secure(): void {
    if (this.state !== 'connecting') return this.#leave();
    const identities = this.#options.identities!;
    const identity = identities.value;
    if (identity === null) return this.#failed('there is no certificate of our own yet');
    const socket = tls.connect({
      ...mutual(this.#options.leastTls ?? 'TLSv1.2'),
      ...this.#place(),
      secureContext: this.#shared.contexts.of(identity),
      // The name in the certificate is a SPIFFE id, checked below; the chain is checked by the handshake.
      checkServerIdentity: () => undefined,
    });
    this.#watch(socket);
    socket.once('secureConnect', () => this.#identified(socket, identity, identities));
  }

  #identified(socket: tls.TLSSocket, identity: Identity, identities: Cell<Identity | null>): void {
    this.#leave();
    const peer = readPeer(socket, identity);
    if ('why' in peer) return this.#failed(`its certificate was refused: ${peer.why}`);
    if (peer.service !== this.#address.service)
      return this.#failed(
        `its certificate is for '${peer.service}', not for '${this.#address.service}' (${peer.spiffe})`,
      );
    const { clock } = this.#options.kit;
    this.#connected(socket, certificateLifeMs(peer, identity, clock.wall()));
    this.#unlisten = onLostRoot(identities, identity, () =>
      this.connection.drain('a root certificate was removed'),
    );
  }

  #place(): { host: string; port: number; lookup: net.LookupFunction } | { path: string } {
    const { host, port } = this.#address;
    return port === 0 ? { path: host } : { host, port, lookup: lookupAllowed };
  }

  #watch(socket: net.Socket): void {
    this.#socket = socket;
    socket.on('error', (error: NodeJS.ErrnoException) => {
      const [, alert] = refusingAlert.exec(error.code ?? '') ?? [];
      if (alert === undefined) return this.#failed(reasonOf(error));
      const words = alert.replaceAll('_', ' ').toLowerCase();
      this.#failed(`its TLS alert is '${words}': ${this.#suspicion()}`);
    });
    socket.on('close', this.#onClose);
  }

  #connected(socket: net.Socket, lifeMs: number): void {
    if (this.state !== 'connecting') return;
    socket.off('close', this.#onClose);
    const { loop, limits, keepalive, maxAgeMs, drainMs, kit } = this.#options;
    const ageMs = maxAgeMs === 0 ? 0 : maxAgeMs * (0.9 + 0.2 * kit.random());
    this.connection = new Connection(socket, {
      role: 'client',
      loop,
      limits,
      ...(keepalive && { keepalive: { ...keepalive, strangers: this.#shared.paceOf(this.#address.id) } }),
      maxAgeMs: ageMs,
      mustEndMs: lifeMs,
      drainMs,
      listener: {
        ready: () => this.#ready(),
        stream: () => {
          throw new Error('a client has no incoming streams');
        },
        room: () => this.#events.room(),
        draining: (reason) => this.#draining(reason),
        closed: (reason) => this.#closed(reason),
        breach: (breach) => kit.meter.count('outrigger_limit_breaches_total', 'peer', breach).value++,
      },
    });
  }

  #ready(): void {
    this.#options.kit.wheel.disarm(this);
    this.state = 'ready';
    this.#events.ready();
  }

  #draining(reason: string): void {
    if (reason.startsWith('the peer')) this.#options.kit.meter.count('outrigger_goaways_total').value++;
    if (this.state !== 'ready') return;
    this.state = 'draining';
    this.#events.draining();
  }

  #closed(reason: string): void {
    if (this.state === 'connecting') {
      const isSecure = this.#options.identities !== null;
      return this.#failed(isSecure ? `${reason} before its SETTINGS came: ${this.#suspicion()}` : reason);
    }
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.#unlisten();
    this.#events.closed(`${this.where}: ${reason}`);
  }

  /**
   * In TLS 1.3 our certificate is judged behind the handshake: who does not believe it just closes. So do proxies that
   * keep intentions for whole connections, such as Envoy; Consul's own one says of both that the certificate is bad.
   */
  #suspicion(): string {
    const identity = this.#options.identities?.value ?? null;
    const until = identity === null ? '' : `, valid until ${new Date(identity.validTo).toISOString()}`;
    return `perhaps it does not believe our certificate (${identity?.spiffe || 'no SPIFFE id'}${until}), or an intention does not let us in`;
  }

  /** The connection did not come about. */
  #failed(reason: string): void {
    if (this.state !== 'connecting') return;
    this.state = 'closed';
    this.#options.kit.wheel.disarm(this);
    this.#leave();
    this.#unlisten();
    this.#socket?.destroy();
    // Not from inside `dial`: the pool has not got the link yet.
    queueMicrotask(() => this.#events.closed(`${this.where}: ${reason}`));
  }
}

const tooLate = (where: string): Status =>
  refused(Code.DEADLINE_EXCEEDED, `the deadline passed before the call could be sent to ${where}`);

/** TLS alerts by which a peer says that it does not want our certificate; OpenSSL's names for them. */
const refusingAlert = /_ALERT_(.*(?:CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED).*)$/;

const reasonOf = ({ code, message }: NodeJS.ErrnoException): string => {
  if (code === 'ECONNREFUSED') return 'nobody listens there (ECONNREFUSED)';
  // Certificates of Consul begin a minute before they are made: what is younger is a clock that differs by more.
  return code === 'CERT_NOT_YET_VALID' ? `${message}: is the clock right, here and there?` : message;
};

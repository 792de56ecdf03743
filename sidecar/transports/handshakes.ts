import type { Socket } from 'node:net';
import type { Identity } from '../core/identity.ts';
import type { Kit } from '../core/kit.ts';

/** Handshakes of one address that may be under way at once. */
const perAddress = 64;
/** Handshakes that may be under way at once, whoever they are with: each costs a millisecond of the loop. */
const atOnce = 512;
/** A handshake that took so long, in milliseconds, gives its place to another: it takes two ways over the network. */
const stalledMs = 1000;

/** A socket in a handshake, and whom we believed when it began. */
interface Handshake {
  readonly socket: Socket;
  readonly identity: Identity;
  readonly from: string;
  /** Monotonic milliseconds. */
  readonly since: number;
}

/**
 * Handshakes are the sockets that have not proved themselves yet. There is room for few of an address, and for so
 * many in all; who has stalled makes room for who comes, so that silence holds no place.
 */
export class Handshakes {
  readonly #kit: Kit;
  /** By the address and port they come from, in the order in which they came. */
  readonly #under: Map<string, Handshake> = new Map();
  readonly #pending: Map<string, number> = new Map();

  constructor(kit: Kit) {
    this.#kit = kit;
  }

  /** Takes a socket in and answers true, or ends it when there is no room or nobody to be yet. */
  begin(socket: Socket, identity: Identity | null): boolean {
    const from = socket.remoteAddress ?? '';
    if (identity === null || !this.#makeRoom(from)) {
      this.#refuse(socket);
      return false;
    }
    this.#pending.set(from, (this.#pending.get(from) ?? 0) + 1);
    const key = keyOf(socket);
    this.#under.set(key, { socket, identity, from, since: this.#kit.clock.now() });
    socket.once('close', () => this.#end(key));
    return true;
  }

  /** The handshake is over: whom we believed when it began. */
  end(socket: Socket): Identity | null {
    return this.#end(keyOf(socket))?.identity ?? null;
  }

  /** Ends all that are under way. */
  close(): void {
    for (const { socket } of this.#under.values()) socket.destroy();
  }

  /** True when there is room for one more of this address, if need be in the place of the oldest that stalled. */
  #makeRoom(from: string): boolean {
    const isCrowded = (this.#pending.get(from) ?? 0) >= perAddress;
    if (!isCrowded && this.#under.size < atOnce) return true;
    for (const [key, handshake] of this.#under) {
      if (isCrowded && handshake.from !== from) continue;
      if (this.#kit.clock.now() - handshake.since < stalledMs) return false;
      this.#end(key);
      this.#refuse(handshake.socket);
      return true;
    }
    return false;
  }

  #refuse(socket: Socket): void {
    this.#kit.meter.count('outrigger_handshakes_refused_total', 'too-many').value++;
    socket.destroy();
  }

  #end(key: string): Handshake | undefined {
    const handshake = this.#under.get(key);
    if (handshake === undefined) return undefined;
    this.#under.delete(key);
    const pending = this.#pending.get(handshake.from)! - 1;
    if (pending === 0) this.#pending.delete(handshake.from);
    else this.#pending.set(handshake.from, pending);
    return handshake;
  }
}

const keyOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

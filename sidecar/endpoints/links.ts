import type { Address } from '../core/endpoint.ts';
import type { Kit } from '../core/kit.ts';
import type { Dial, Link } from '../core/link.ts';
import type { Count } from '../core/meter.ts';
import { type Timer, timer } from '../core/wheel.ts';
import { type Backoff, backoffMs } from '../policies/backoff.ts';
import { Line } from './line.ts';
import { inFlight, leastBusy } from './load.ts';

/** Limits of the connections to one peer. */
export interface LinksSettings {
  /** Most connections to one peer; another opens only when all others are at their concurrency limit. */
  readonly maxLinks: number;
  /** How often it is looked whether one of several connections is idle and may close, milliseconds. */
  readonly idleLinkMs: number;
  /** A lost connection is opened again at once when a call used the peer within this time, milliseconds. */
  readonly inUseMs: number;
  /** Waits between dials in the background after one failed. */
  readonly dialBackoff: Backoff;
}

/** Who uses the connections, and hears what becomes of them. */
export interface LinksUser {
  readonly service: string;
  readonly address: Address;
  /** Calls that wait for a connection. */
  readonly waiting: number;
  /** Those that wait may go, as far as there is room. */
  room(): void;
  /** The peer cannot be reached: `links.trouble` says why. */
  unreachable(): void;
  /** The peer was lost or unreachable, and is back. */
  back(): void;
  /** After `leave`, the last connection is closed. */
  empty(): void;
  /** While it rests, the last connection that takes calls went. */
  deserted(): void;
}

/**
 * Links are the connections to one peer: few, shared, warm.
 *
 * The first is dialled when a call needs it, another when all are full. One that broke in use is dialled again at
 * once; after a failed dial the next follow in the background, further and further apart, and no call waits for them.
 */
export class Links {
  readonly #kit: Kit;
  readonly #dialOne: Dial;
  readonly #settings: LinksSettings;
  readonly #user: LinksUser;
  readonly #redial: Timer;
  readonly #idle: Timer;
  readonly #open: Count;
  #lines: readonly Line[] = [];
  #failedDials = 0;
  #ended = false;
  #resting = false;
  #usedAt = Number.NEGATIVE_INFINITY;
  /** Why the last dial failed, while no connection is ready since; else empty. */
  trouble = '';
  /** True from the moment that the last connection broke in use until the next is ready or failed. */
  lost = false;
  /** True from the moment that the peer asked us off its last connection in use until the next is ready or failed. */
  moving = false;

  constructor(kit: Kit, dial: Dial, settings: LinksSettings, user: LinksUser) {
    this.#kit = kit;
    this.#dialOne = dial;
    this.#settings = settings;
    this.#user = user;
    this.#redial = timer(() => this.#dial());
    this.#idle = timer(() => this.#closeIdle());
    this.#open = kit.meter.count('outrigger_links', user.service);
  }

  /** All connections, connecting and draining ones included. */
  get all(): readonly Link[] {
    return this.#lines.map((line) => line.link);
  }

  /** Attempts in flight. */
  get active(): number {
    return inFlight(this.#lines);
  }

  /** There is a connection, be it full: who waits, waits for room on it. */
  get connected(): boolean {
    for (const line of this.#lines) if (line.wasReady && !line.leaving) return true;
    return false;
  }

  /** All connections that there may be are stuck or at their limit. */
  get full(): boolean {
    if (this.#lines.length < this.#settings.maxLinks) return false;
    return this.#live >= this.#settings.maxLinks && leastBusy(this.#lines) === null;
  }

  /** The connection for the next call, or null when none has room. */
  pick(): Link | null {
    return leastBusy(this.#lines);
  }

  /** A call came, at a monotonic time in milliseconds. */
  use(at: number): void {
    this.#usedAt = at;
  }

  /** Opens one more, unless one is on its way, a dial just failed, or there are enough. */
  grow(): void {
    if (this.#ended || this.#resting || this.#redial.slot >= 0 || this.#live >= this.#settings.maxLinks)
      return;
    for (const { link } of this.#lines) if (link.state === 'connecting') return;
    this.#dial();
  }

  /** The peer could not be reached, and the next dial waits for its time: it is made now. */
  hurry(): void {
    if (this.#redial.slot < 0 || this.trouble === '') return;
    this.#kit.wheel.disarm(this.#redial);
    this.#dial();
  }

  /** Keeps the connections that there are, and opens no others; false when there are none worth keeping. */
  rest(): boolean {
    this.#resting = this.#lines.some((line) => line.wasReady && !line.leaving);
    if (this.#resting) this.#kit.wheel.disarm(this.#redial);
    return this.#resting;
  }

  /** Opens others again when they are needed. */
  revive(): void {
    this.#resting = false;
  }

  /** Drains for good; `user.empty` follows, at once when there is nothing to wait for. */
  leave(): void {
    this.#end();
    if (this.#lines.length === 0) this.#user.empty();
    for (const line of this.#lines) {
      line.leaving = true;
      if (line.link.state === 'connecting') line.link.close('the instance left');
      else line.link.drain();
    }
  }

  /** Closes everything now. */
  close(reason: string): void {
    this.#end();
    for (const line of this.#lines) line.link.close(reason);
  }

  /** For Line: handshakes are over. */
  ready(line: Line): void {
    const wasOut = this.lost || this.trouble !== '';
    line.wasReady = true;
    this.#open.value++;
    this.#dials('ok').value++;
    this.#failedDials = 0;
    this.trouble = '';
    this.lost = false;
    this.moving = false;
    this.#kit.wheel.disarm(this.#redial);
    if (this.#ended) {
      line.link.drain();
      return;
    }
    if (this.#live > 1 && this.#idle.slot < 0) this.#kit.wheel.arm(this.#idle, this.#settings.idleLinkMs);
    this.#user.room();
    if (wasOut) this.#user.back();
  }

  /** For Line: there is room again. */
  room(): void {
    if (this.#user.waiting > 0) this.#user.room();
  }

  /** For Line: the peer takes no more calls on it. The next opens before the next call needs it. */
  draining(line: Line): void {
    if (line.leaving) return;
    line.leaving = true;
    if (this.#live > 0) return;
    this.#forgetMore();
    if (this.#resting) this.#user.deserted();
    else if (this.#inUse) {
      this.moving = true;
      this.grow();
    }
  }

  /** For Line: it is gone. */
  closed(line: Line, reason: string): void {
    this.#lines = this.#lines.filter((other) => other !== line);
    if (line.wasReady) this.#open.value--;
    if (this.#ended) {
      if (this.#lines.length === 0) this.#user.empty();
    } else if (line.leaving) this.room();
    else if (line.wasReady) this.#broke();
    else this.#dialFailed(reason);
  }

  #dialFailed(reason: string): void {
    this.#dials('failed').value++;
    const waitMs = backoffMs(this.#settings.dialBackoff, this.#failedDials++, this.#kit.random());
    this.#kit.wheel.arm(this.#redial, waitMs);
    // With another connection in place this one would only have been more room.
    if (this.#live > 0) return;
    this.lost = false;
    this.moving = false;
    const first = this.trouble === '';
    this.trouble = reason;
    if (first) {
      const { service, address } = this.#user;
      this.#kit.log.warn({ service, endpoint: address.id, reason }, 'endpoint cannot be reached');
    }
    this.#user.unreachable();
  }

  #broke(): void {
    this.#kit.meter.count('outrigger_links_lost_total', this.#user.service).value++;
    if (this.#live > 0) {
      this.room();
      return;
    }
    this.#forgetMore();
    if (this.#resting) {
      this.#user.deserted();
      return;
    }
    if (!this.#inUse) return; // a quiet peer has closed: the next call dials
    this.lost = true;
    this.grow();
  }

  /** The last connection goes: a redial that waits is of one that would only have been more room. */
  #forgetMore(): void {
    this.#kit.wheel.disarm(this.#redial);
  }

  #dial(): void {
    const line = new Line(this);
    line.link = this.#dialOne(this.#user.address, line);
    this.#lines = [...this.#lines, line];
  }

  /** Closes one connection that nobody uses, as long as another stays. */
  #closeIdle(): void {
    const live = this.#lines.filter((line) => line.wasReady && !line.leaving);
    const idle = live.findLast((line) => line.link.active === 0);
    if (live.length > 1 && idle !== undefined) {
      idle.leaving = true;
      idle.link.drain();
    }
    if (this.#live > 1) this.#kit.wheel.arm(this.#idle, this.#settings.idleLinkMs);
  }

  #end(): void {
    this.#ended = true;
    this.#kit.wheel.disarm(this.#redial);
    this.#kit.wheel.disarm(this.#idle);
  }

  /** Connections that take calls, or will once they are ready. */
  get #live(): number {
    let live = 0;
    for (const line of this.#lines) if (!line.leaving) live++;
    return live;
  }

  get #inUse(): boolean {
    return this.#user.waiting > 0 || this.#kit.clock.now() - this.#usedAt < this.#settings.inUseMs;
  }

  #dials(outcome: 'ok' | 'failed'): Count {
    return this.#kit.meter.count('outrigger_dials_total', this.#user.service, outcome);
  }
}

import type { Limits } from './limits.ts';
import type { PortResets } from './port-resets.ts';

/** What a connection may be ended for. */
export type Breach =
  | 'pings'
  | 'settings'
  | 'priorities'
  | 'window-updates'
  | 'empty-data'
  | 'resets'
  | 'output'
  | 'continuations'
  | 'header-block'
  | 'preface-timeout'
  | 'headers-timeout'
  | 'message-timeout'
  | 'header-list'
  | 'message'
  | 'held'
  | 'streams';

const windowMs = 1000;

/** A WINDOW_UPDATE for so many octets that we sent is nobody's attack. */
const octetsPerUpdate = 256;

/**
 * Floods counts, second by second, the frames that cost us work and the peer next to nothing.
 *
 * Ref: CVE-2019-9511 to 9518, CVE-2023-44487 (rapid reset), CVE-2025-8671 (resets that we are made to send).
 */
export class Floods {
  readonly #limits: Limits;
  readonly #now: () => number;
  #since = 0;
  #pings = 0;
  #settings = 0;
  #priorities = 0;
  #windowUpdates = 0;
  #emptyData = 0;
  opened = 0;
  /** DATA that we sent, in pieces and in octets: what the peer answers for. */
  dataSent = 0;
  octetsSent = 0;

  constructor(limits: Limits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  /** Beside a few for keepalive, one for each DATA frame that we sent: grpc-go and C-core measure bandwidth so. */
  ping(): boolean {
    return ++this.#pings <= this.#limits.pings + this.dataSent || this.#roll();
  }

  settings(): boolean {
    this.#roll();
    return ++this.#settings <= this.#limits.settings;
  }

  /** PRIORITY and frames of unknown types. */
  priority(): boolean {
    this.#roll();
    return ++this.#priorities <= this.#limits.priorities + 10 * this.opened;
  }

  windowUpdate(): boolean {
    // The clock is asked only above the limit: this frame is part of every stream's ordinary life.
    // HAProxy returns credit for each buffer that it read, on the stream and on the connection.
    const earned = 10 * this.dataSent + this.octetsSent / octetsPerUpdate;
    return ++this.#windowUpdates <= this.#limits.windowUpdates + earned || this.#roll();
  }

  emptyData(): boolean {
    this.#roll();
    return ++this.#emptyData <= this.#limits.emptyData;
  }

  #roll(): boolean {
    const now = this.#now();
    if (now - this.#since < windowMs) return false;
    this.#since = now;
    this.#pings = 0;
    this.#settings = 0;
    this.#priorities = 0;
    this.#windowUpdates = 0;
    this.#emptyData = 0;
    this.opened = 0;
    this.dataSent = 0;
    this.octetsSent = 0;
    return true;
  }
}

/**
 * ResetWatch judges a peer by the streams that were reset young and unanswered. Share one between all connections
 * of a peer: reconnecting must not buy another thousand.
 */
export class ResetWatch {
  readonly #sample: number;
  readonly #now: () => number;
  readonly #port: PortResets | null;
  #since = 0;
  #opened = 0;
  #reset = 0;

  /**
   * `sample`: streams opened in a second before anything is judged. `port`: those of all connections of a port, whose
   * excess makes that a connection is judged by the few streams of its own.
   */
  constructor(sample: number, now: () => number, port: PortResets | null = null) {
    this.#sample = sample;
    this.#now = now;
    this.#port = port;
  }

  /** A stream began. */
  open(): void {
    if (this.#opened >= this.#sample) this.#roll(this.#now());
    this.#opened++;
  }

  /** A stream that began at `openedAt` was reset before a reply; false when that is an attack. */
  reset(openedAt: number): boolean {
    const now = this.#now();
    if (now - openedAt > windowMs) return true;
    this.#roll(now);
    this.#reset++;
    const isJudged = this.#port?.reset() === true || this.#opened >= this.#sample;
    return !isJudged || this.#reset * 2 <= this.#opened;
  }

  /** A stream that began at `openedAt` ended with its connection before a reply: nobody is left to judge. */
  lost(openedAt: number): void {
    if (this.#port !== null && this.#now() - openedAt <= windowMs) this.#port.lost();
  }

  #roll(now: number): void {
    if (now - this.#since < windowMs) return;
    this.#since = now;
    // Streams that are open across the turn of the second still count as half a sample.
    this.#opened >>>= 1;
    this.#reset >>>= 1;
  }
}

import { isDue } from './due.ts';
import { ErrorCode, FrameType } from './frames.ts';
import type { Output } from './output.ts';

/** When to ping, and how long to wait, in milliseconds. */
export interface KeepaliveTimes {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** For peers that did not say they take part. Share one between connections to one peer; default: one of its own. */
  readonly strangers?: PingPace;
}

/** Payload of a ping that asks whether the peer is alive. */
const question: readonly [high: number, low: number] = [0x4f_5554, 0x5201];

/** What a peer that is no outrigger puts up with: grpc-go's least, and only while a stream is open. Ref: gRFC A8. */
const strangersMs = 300_000;
const slowestMs = 2 * 3_600_000;

/** PingPace is how often one stranger is pinged, over all connections to it: who complains is pinged half as often. */
export class PingPace {
  ms: number = strangersMs;

  /** The peer said `too_many_pings`. */
  slower(): void {
    this.ms = Math.min(this.ms * 2, slowestMs);
  }
}

/** Keepalive asks a silent peer whether it is there. Ref: RFC 9113 section 6.7. */
export class Keepalive {
  readonly #times: KeepaliveTimes;
  readonly #output: Output;
  readonly #strangers: PingPace;
  #askedAt = 0;

  constructor(times: KeepaliveTimes, output: Output) {
    this.#times = times;
    this.#output = output;
    this.#strangers = times.strangers ?? new PingPace();
  }

  /**
   * Pings when the peer has been silent since `readAt`: one that takes part soon, any other late, and only while a
   * stream is `open`. Whoever takes part is asked, and given up, by the tick before its time would be over. False: it was asked and has not said anything in time.
   */
  tick(now: number, readAt: number, takesPart: boolean, open: boolean): boolean {
    const { intervalMs, timeoutMs } = this.#times;
    if (this.#askedAt !== 0 && readAt < this.#askedAt) return !isDue(now - this.#askedAt, timeoutMs);
    this.#askedAt = 0;
    const silentMs = now - readAt;
    // A stranger counts how often it is pinged: never before its time.
    if (takesPart ? !isDue(silentMs, intervalMs) : silentMs < this.#strangers.ms) return true;
    if (!takesPart && !open) return true;
    this.#askedAt = now;
    this.#output.words(FrameType.PING, 0, 0, ...question);
    return true;
  }

  /** GOAWAY came: whether it complains of pings, they are to be fewer. */
  goneAway(code: number, text: string): void {
    if (code === ErrorCode.ENHANCE_YOUR_CALM && text === 'too_many_pings') this.#strangers.slower();
  }
}

import { FrameType } from './frames.ts';
import type { Output } from './output.ts';

/** When to ping, and how long to wait, in milliseconds. */
export interface KeepaliveTimes {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** Payload of a ping that asks whether the peer is alive. */
const question: readonly [high: number, low: number] = [0x4f_5554, 0x5201];

/** Keepalive asks a silent peer whether it is there. Ref: RFC 9113 section 6.7. */
export class Keepalive {
  readonly #times: KeepaliveTimes;
  readonly #output: Output;
  #askedAt = 0;

  constructor(times: KeepaliveTimes, output: Output) {
    this.#times = times;
    this.#output = output;
  }

  /** Pings when the peer has been silent since `readAt`. False: it was asked and has not said anything in time. */
  tick(now: number, readAt: number): boolean {
    if (this.#askedAt !== 0 && readAt < this.#askedAt) return now - this.#askedAt < this.#times.timeoutMs;
    this.#askedAt = 0;
    if (now - readAt < this.#times.intervalMs) return true;
    this.#askedAt = now;
    this.#output.words(FrameType.PING, 0, 0, ...question);
    return true;
  }
}

import { ErrorCode, FrameType } from './frames.ts';
import type { Output } from './output.ts';

/** Payload of the ping between the two steps. */
const betweenSteps: readonly [high: number, low: number] = [0x4f_5554, 0x5202];
/** How long a server waits for the answer to that ping before the second step. */
const stepMs = 1000;
/** Stream id of the first GOAWAY: all that is under way will still be taken. */
const allStreams = 0x7fff_ffff;

/**
 * Draining ends a connection in good order. A server does it in two steps: the first GOAWAY says that there will be a
 * last stream, the second, a round trip later, which it was; no request that was under way is lost in between.
 *
 * Ref: RFC 9113 section 6.8.
 */
export class Draining {
  readonly #output: Output;
  readonly #begunAt: number;
  readonly #limitMs: number;
  /** The last stream has been named, or there is none to name. */
  lastKnown: boolean;

  /** `limitMs`: how long streams may go on. */
  constructor(role: 'client' | 'server', output: Output, now: number, limitMs: number) {
    this.#output = output;
    this.#begunAt = now;
    this.#limitMs = limitMs;
    this.lastKnown = role === 'client';
  }

  /** Step one. */
  announce(): void {
    this.#output.words(FrameType.GOAWAY, 0, 0, allStreams, ErrorCode.NO_ERROR);
    this.#output.words(FrameType.PING, 0, 0, ...betweenSteps);
  }

  /** Step two. `last`: the last stream that was taken up. */
  conclude(last: number): void {
    this.lastKnown = true;
    this.#output.words(FrameType.GOAWAY, 0, 0, last, ErrorCode.NO_ERROR);
  }

  /** Whether a PING ACK answers the ping between the steps. */
  answers(high: number, low: number): boolean {
    return high === betweenSteps[0] && low === betweenSteps[1];
  }

  /** Whether the answer took too long. */
  overdue(now: number): boolean {
    return !this.lastKnown && now - this.#begunAt >= stepMs;
  }

  /** Whether streams have had their time. */
  over(now: number): boolean {
    return now - this.#begunAt >= this.#limitMs;
  }
}

import type { Clock } from '../core/kit.ts';
import type { Count } from '../core/meter.ts';
import { Code, type Status } from '../core/status.ts';

/** Lines that one direction writes in a second: what a storm of failures costs is bounded, about 1 % of a core. */
const mostPerSecond = 1000;

/**
 * Whether the share of calls that is logged has the one with this id. Decided by the id alone, so that every
 * sidecar on its way decides alike; those with a smaller share log part of what those with a larger one do.
 */
export const isSampled = (id: string, share: number): boolean => share > 0 && fraction(id) < share;

/** A number from 0 to 1 that hangs on every character of a text (FNV-1a, its bits mixed once more). */
const fraction = (text: string): number => {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
};

/** Decides which calls leave a line: all that failed, and of the others a share. */
export class AccessLines {
  readonly #clock: Clock;
  readonly #share: number;
  readonly #dropped: Count;
  #second = 0;
  #lines = 0;

  /** `share`: 0 to 1, of the calls that went well. `dropped` counts lines beyond the most of a second. */
  constructor(clock: Clock, share: number, dropped: Count) {
    this.#clock = clock;
    this.#share = share;
    this.#dropped = dropped;
  }

  /** Whether the call is to be logged, and there is room for it. */
  takes(status: Status, id: string): boolean {
    if (status.code === Code.OK && !isSampled(id, this.#share)) return false;
    const second = Math.floor(this.#clock.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#lines = 0;
    }
    if (this.#lines >= mostPerSecond) {
      this.#dropped.value++;
      return false;
    }
    this.#lines++;
    return true;
  }
}

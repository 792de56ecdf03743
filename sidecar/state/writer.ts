import type { Kit } from '../core/kit.ts';
import { messageOf } from '../core/thrown.ts';
import { type Timer, timer } from '../core/wheel.ts';
import { type StateHead, writeState } from './file.ts';

/** What a writer writes, and where. */
export interface WriterOptions {
  readonly path: string;
  readonly head: StateHead;
  readonly kit: Kit;
  /** The text of now; null while there is nothing that may be kept. */
  readonly body: () => string | null;
}

/** How long changes are gathered before the first write, milliseconds. */
const gatherMs = 250;
/** Between two writes in the long run, milliseconds: a deployment changes the mesh many times a second. */
const everyMs = 5000;
/** Writes that may come at once: what is learned first is worth the most to a sidecar that is killed soon after. */
const atOnce = 4;
/** After a write that failed, milliseconds: a full disk does not empty itself. */
const afterFailureMs = 60_000;
/** How often what did not change is written again, milliseconds, so that its age says when it was last true. */
const againMs = 3600_000;

/** Writer keeps one file of state up to date: soon after a change, not often, and never two writes at once. */
export class Writer {
  readonly #options: WriterOptions;
  readonly #timer: Timer;
  #writing: Promise<void> = Promise.resolve();
  #busy = false;
  #written = '';
  #writtenAt = Number.NEGATIVE_INFINITY;
  /** Monotonic milliseconds before which nothing is written. */
  #notBefore = Number.NEGATIVE_INFINITY;
  /** Monotonic milliseconds up to which writes are paid for: one costs `everyMs`. */
  #paidTo = Number.NEGATIVE_INFINITY;
  #said = '';
  #closed = false;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#timer = timer(() => this.#write());
  }

  /** Something has changed, or may have. */
  changed(): void {
    this.#arm(gatherMs);
  }

  /** Writes what is not written yet, and nothing after it. Never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#options.kit.wheel.disarm(this.#timer);
    await this.#writing;
    await this.#once();
  }

  #arm(waitMs: number): void {
    const { clock, wheel } = this.#options.kit;
    const dueAt = Math.max(clock.now() + waitMs, this.#notBefore);
    if (this.#closed || (this.#timer.slot >= 0 && this.#timer.dueAt <= dueAt)) return;
    wheel.armAt(this.#timer, dueAt);
  }

  #write(): void {
    // A slow disk: what changed meanwhile is written behind it.
    if (this.#busy) return this.#arm(everyMs);
    this.#busy = true;
    this.#writing = this.#once().then((isWritten) => {
      this.#busy = false;
      this.#arm(isWritten ? againMs : everyMs);
    });
  }

  /** False when there was nothing that may be kept now, or it could not be. */
  async #once(): Promise<boolean> {
    const { path, head, kit, body } = this.#options;
    const { clock, meter, log } = kit;
    const text = body();
    if (text === null) return false;
    if (text === this.#written && clock.now() - this.#writtenAt < againMs) return true;
    this.#paidTo = Math.max(this.#paidTo, clock.now() - (atOnce - 1) * everyMs) + everyMs;
    this.#notBefore = this.#paidTo;
    try {
      await writeState(path, head, text, clock.wall());
      this.#written = text;
      this.#writtenAt = clock.now();
      this.#said = '';
      meter.count('outrigger_state_writes_total', head.part, 'ok').value++;
      return true;
    } catch (thrown) {
      const cause = messageOf(thrown);
      this.#notBefore = clock.now() + afterFailureMs;
      meter.count('outrigger_state_writes_total', head.part, 'failed').value++;
      if (this.#said !== cause)
        log.warn({ path, cause }, 'state could not be kept; a cold start would have the one before');
      this.#said = cause;
      return false;
    }
  }
}

import { performance } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';

/** What the pacer's thread is started with. */
export interface Pace {
  readonly perSecond: number;
  /** One word: anything but 0 stops the thread. */
  readonly stop: SharedArrayBuffer;
}

/** Milliseconds of the clock that all threads of a process share. */
export const sharedNow = (): number => {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
};

/**
 * Pacer tells when the next call is due. It sleeps in a thread of its own, because timers of the event loop are a
 * millisecond late, which is more than the latencies to be measured, and because spinning takes a core.
 */
export class Pacer {
  readonly #stop: SharedArrayBuffer = new SharedArrayBuffer(4);

  /** `due` gets the time of arrival on this thread's `performance.now()`, and how far it is behind, in milliseconds. */
  constructor(perSecond: number, due: (since: number, lateMs: number) => void) {
    const offset = performance.now() - sharedNow();
    const pace: Pace = { perSecond, stop: this.#stop };
    const thread = new Worker(new URL('./pacer-thread.js', import.meta.url), { workerData: pace });
    thread.on('message', (at: number) => {
      const since = at + offset;
      if (Atomics.load(new Int32Array(this.#stop), 0) === 0) due(since, performance.now() - since);
    });
  }

  stop(): void {
    const word = new Int32Array(this.#stop);
    Atomics.store(word, 0, 1);
    Atomics.notify(word, 0);
  }
}

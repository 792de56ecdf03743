import { performance } from 'node:perf_hooks';
import { cpuUs, sumOver } from '../usage.ts';
import type { Outcome } from './job.ts';

/** What stands at one edge of the window. */
interface Edge {
  readonly atUs: number;
  readonly cpuUs: number;
  readonly ownCpuUs: number;
}

/** Tally counts how calls end, and keeps the latencies of those that end while its window is open. */
export class Tally {
  ended = 0;
  cancelled = 0;
  failed = 0;
  firstFailure = '';
  readonly #watch: readonly number[];
  readonly #samples: number[] = [];
  readonly #lateness: number[] = [];
  #measures = false;
  #begin: Edge | null = null;
  #finish: Edge | null = null;

  constructor(watch: readonly number[]) {
    this.#watch = watch;
  }

  /** A call (a message, of a stream) ended well; `since` is when it began or should have, in milliseconds. */
  sample(since: number): void {
    if (this.#measures) this.#samples.push((performance.now() - since) * 1000);
  }

  /** A call began this many milliseconds behind its time. */
  late(ms: number): void {
    if (this.#measures) this.#lateness.push(ms * 1000);
  }

  fail(why: string): void {
    if (this.failed++ === 0) this.firstFailure = why;
  }

  openWindow(): void {
    this.#begin = this.#edge();
    this.#measures = true;
  }

  closeWindow(): void {
    this.#measures = false;
    this.#finish = this.#edge();
  }

  outcome(): Outcome {
    const [begin, finish] = [this.#begin!, this.#finish!];
    const samples = Float64Array.from(this.#samples).sort();
    const lateness = Float64Array.from(this.#lateness).sort();
    return {
      done: samples.length,
      windowUs: finish.atUs - begin.atUs,
      cpuUs: finish.cpuUs - begin.cpuUs,
      ownCpuUs: finish.ownCpuUs - begin.ownCpuUs,
      p50: quantile(samples, 0.5),
      p99: quantile(samples, 0.99),
      latenessP99: quantile(lateness, 0.99),
      ended: this.ended,
      cancelled: this.cancelled,
      failed: this.failed,
      firstFailure: this.firstFailure,
    };
  }

  #edge(): Edge {
    const own = process.cpuUsage();
    return {
      atUs: performance.now() * 1000,
      cpuUs: sumOver(this.#watch, cpuUs),
      ownCpuUs: own.user + own.system,
    };
  }
}

/** The value at `q` of a sorted list; 0 for an empty one. */
const quantile = (sorted: Float64Array, q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;

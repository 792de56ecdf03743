import { RecentCounts } from './recent-counts.ts';

/** SuccessRate counts what went well and what did not in the last ten seconds; times in monotonic milliseconds. */
export class SuccessRate {
  readonly #ends: RecentCounts = new RecentCounts();

  get well(): number {
    return this.#ends.first;
  }

  get ill(): number {
    return this.#ends.second;
  }

  succeed(at: number): void {
    this.#ends.addFirst(at);
  }

  fail(at: number): void {
    this.#ends.addSecond(at);
  }

  /** Forgets what is older than ten seconds. */
  turn(at: number): void {
    this.#ends.turn(at);
  }

  /** Forgets everything. */
  clear(): void {
    this.#ends.clear();
  }
}

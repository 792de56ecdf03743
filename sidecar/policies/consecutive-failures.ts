/**
 * ConsecutiveFailures decides when an endpoint has failed often enough: `limit` times with no success between.
 *
 * A count, not a rate: with the two to five instances that services have, rates need more calls than an outage
 * leaves time for (linkerd counts 7, Envoy and Finagle 5).
 */
export class ConsecutiveFailures {
  /** May be changed at any time; holds from the next failure on. */
  limit: number;
  #count = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Failures since the last success. */
  get count(): number {
    return this.#count;
  }

  /** Hears of a success. */
  succeed(): void {
    this.#count = 0;
  }

  /** Hears of a failure; true when that was enough. */
  fail(): boolean {
    this.#count++;
    return this.#count >= this.limit;
  }
}

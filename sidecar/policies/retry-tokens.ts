/**
 * RetryTokens lets nothing be repeated while most calls to a service fail: a failure takes one token, a call that
 * goes well gives back a little, and at half of them and below repetitions stop.
 *
 * Ref: gRFC A6, `retryThrottling`.
 */
export class RetryTokens {
  /** Tokens that are missing: so that a policy may say another number at any time. */
  #missing = 0;

  failed(most: number): void {
    this.#missing = Math.min(this.#missing + 1, most);
  }

  wentWell(ratio: number): void {
    this.#missing = Math.max(this.#missing - ratio, 0);
  }

  allows(most: number): boolean {
    return most - this.#missing > most / 2;
  }
}

/** Octets before each gRPC message: a flag and a length. Ref: gRPC over HTTP/2, "Length-Prefixed-Message". */
const prefixSize = 5;

/** Octets of one message that renew its time. */
const progressBytes = 256 * 1024;

/**
 * MessageFollower counts its way along the gRPC messages of one direction of a stream, without looking into them:
 * it knows whether a message is too large as soon as its prefix has come, and whether one is incomplete.
 */
export class MessageFollower {
  /** Octets of the current message that have not come. */
  #missing = 0;
  /** Octets of the prefix that have come, and the length as far as it is known. */
  #prefix = 0;
  #length = 0;
  /** Octets of the current message since its time began. */
  #progress = 0;
  /** When the message that is incomplete began, monotonic milliseconds; 0: none is. */
  begunAt = 0;

  /** Follows `chunk[start, end)`. Answers the length of a message above `limit`, or 0. */
  follow(chunk: Uint8Array, start: number, end: number, limit: number, now: number): number {
    let at = start;
    while (at < end) {
      if (this.#missing > 0) {
        const taken = Math.min(this.#missing, end - at);
        this.#missing -= taken;
        at += taken;
        if (this.#missing === 0) this.begunAt = 0;
        continue;
      }
      if (this.#prefix === 0 && end - at >= prefixSize) {
        this.#missing =
          chunk[at + 1]! * 0x1000000 + ((chunk[at + 2]! << 16) | (chunk[at + 3]! << 8) | chunk[at + 4]!);
        at += prefixSize;
      } else {
        const octet = chunk[at++]!;
        if (this.#prefix > 0) this.#length = this.#length * 256 + octet;
        if (++this.#prefix < prefixSize) continue;
        this.#missing = this.#length;
        this.#prefix = 0;
        this.#length = 0;
      }
      if (this.#missing > limit) return this.#missing;
      if (this.#missing === 0) this.begunAt = 0; // a message of no octets
    }
    this.#progress += end - start;
    if (this.#missing === 0 && this.#prefix === 0) this.begunAt = 0;
    else if (this.begunAt === 0 || this.#progress >= progressBytes) {
      // A large message has its time for each quarter of a mebibyte, so that a thin pipe can carry it.
      this.begunAt = now;
      this.#progress = 0;
    }
    return 0;
  }
}

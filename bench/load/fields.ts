import { randomBytes } from 'node:crypto';
import type { HeaderKind } from './job.ts';

/** Ids made beforehand: far more than any header table remembers, so that none is ever found there again. */
const poolSize = 8192;
const sampledEvery = 100;

/**
 * Fields makes the header list of each call: ten fields as a gRPC client sends them, of which x-request-id,
 * traceparent and grpc-timeout are the call's own.
 */
export class Fields {
  readonly #head: readonly string[];
  readonly #ids: string[] = [];
  readonly #traces: string[] = [];
  readonly #timeouts: string[] = [];
  readonly #step: number;
  #next = 0;

  constructor(kind: HeaderKind, method: string) {
    this.#head = [
      ...[':method', 'POST', ':scheme', 'http', ':path', `/bench.Echo/${method}`, ':authority', 'echo'],
      ...['content-type', 'application/grpc', 'user-agent', 'outrigger-bench/1', 'te', 'trailers'],
    ];
    const octets = randomBytes(poolSize * 40);
    for (let i = 0; i < poolSize; i++) {
      const hex = octets.toString('hex', i * 40, i * 40 + 40);
      this.#ids.push(
        `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`,
      );
      const flags = kind === 'sampled' && i % sampledEvery === 0 ? '01' : '00';
      this.#traces.push(`00-${hex.slice(32, 64)}-${hex.slice(64, 80)}-${flags}`);
      // What is left of a minute, in microseconds, as grpc-go writes it.
      this.#timeouts.push(`${59_999_999 - i * 3}u`);
    }
    this.#step = kind === 'constant' ? 0 : 1;
  }

  /** The list of the next call. */
  next(): string[] {
    const i = (this.#next = (this.#next + this.#step) % poolSize);
    return [
      ...this.#head,
      'grpc-timeout',
      this.#timeouts[i]!,
      'x-request-id',
      this.#ids[i]!,
      'traceparent',
      this.#traces[i]!,
    ];
  }
}

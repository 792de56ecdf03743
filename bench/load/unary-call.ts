import type { Abort, Connection, Stream, StreamListener } from '../../wire/index.ts';
import type { Fields } from './fields.ts';
import type { Tally } from './tally.ts';

/** A gRPC message of `bytes` octets behind its prefix. */
export const message = (bytes: number): Buffer => {
  const whole = Buffer.alloc(5 + bytes, 0x2e);
  whole[0] = 0;
  whole.writeUInt32BE(bytes, 1);
  return whole;
};

/** The gRPC status among trailers, or the empty string. */
export const statusIn = (fields: readonly string[]): string => {
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === 'grpc-status') return fields[i + 1]!;
  return '';
};

/** UnaryCall is one place for calls: it makes one after the other, and checks that each is answered in full. */
export class UnaryCall implements StreamListener {
  readonly #connection: Connection;
  readonly #fields: Fields;
  readonly #message: Buffer;
  readonly #tally: Tally;
  readonly #free: (call: UnaryCall) => void;
  #stream: Stream | null = null;
  #since = 0;
  #received = 0;

  /** `free` is told when the call is over, however it ended. */
  constructor(
    connection: Connection,
    fields: Fields,
    message: Buffer,
    tally: Tally,
    free: (call: UnaryCall) => void,
  ) {
    this.#connection = connection;
    this.#fields = fields;
    this.#message = message;
    this.#tally = tally;
    this.#free = free;
  }

  /** Makes a call; its latency counts from `since`, in milliseconds. */
  begin(since: number): void {
    this.#since = since;
    this.#received = 0;
    const stream = this.#connection.open(this.#fields.next(), null, false, this);
    this.#stream = stream;
    stream.write(this.#message, 0, this.#message.length);
    stream.end();
  }

  headers(fields: string[], _never: string[] | null, last: boolean): void {
    if (!last) return;
    const status = statusIn(fields);
    if (status !== '0') this.#tally.fail(`grpc-status ${status}: ${fields.join(' ')}`);
    else if (this.#received !== this.#message.length)
      this.#tally.fail(`${this.#received} octets came back of ${this.#message.length}`);
    else {
      this.#tally.ended++;
      this.#tally.sample(this.#since);
    }
    this.#free(this);
  }

  data(_chunk: Buffer, start: number, end: number, last: boolean): void {
    this.#received += end - start;
    this.#stream?.credit(end - start);
    if (!last) return;
    this.#tally.fail('an answer without trailers');
    this.#free(this);
  }

  sent(): void {}

  aborted(abort: Abort): void {
    this.#tally.fail(abort.message);
    this.#free(this);
  }
}

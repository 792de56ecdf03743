import { performance } from 'node:perf_hooks';
import type { Abort, Connection, Stream, StreamListener } from '../../wire/index.ts';
import { endFrame } from '../end-frame.ts';
import type { Dial } from './dial.ts';
import { Fields } from './fields.ts';
import type { Talk } from './job.ts';
import type { Run } from './run.ts';
import type { Tally } from './tally.ts';
import { message, statusIn } from './unary-call.ts';

/** Keeps bidi streams talking: each message that came back sends the next. */
export const talk = async (job: Talk, dial: Dial, tally: Tally): Promise<Run> => {
  const connections = await dial.all(job.connections);
  const fields = new Fields(job.headers, 'Bidi');
  const octets = message(job.bytes);
  const talkers: Talker[] = [];
  for (const connection of connections)
    for (let i = 0; i < job.streams; i++)
      talkers.push(new Talker(connection, fields, octets, job.outstanding, tally));
  return {
    stop: () => {
      for (const talker of talkers) talker.stop();
    },
    underWay: () => talkers.filter((talker) => !talker.over).length,
  };
};

/** One stream with `outstanding` messages under way. Echo keeps their order, so the oldest is the next to come. */
class Talker implements StreamListener {
  over = false;
  readonly #message: Buffer;
  readonly #tally: Tally;
  readonly #stream: Stream;
  readonly #sentAt: Float64Array;
  #sent = 0;
  #received = 0;
  #answered = 0;
  #stopped = false;

  constructor(connection: Connection, fields: Fields, message: Buffer, outstanding: number, tally: Tally) {
    this.#message = message;
    this.#tally = tally;
    this.#sentAt = new Float64Array(outstanding);
    this.#stream = connection.open(fields.next(), null, false, this);
    for (let i = 0; i < outstanding; i++) this.#send(performance.now());
  }

  stop(): void {
    this.#stopped = true;
    this.#stream.end();
  }

  headers(fields: string[], _never: string[] | null, last: boolean): void {
    if (!last) return;
    this.over = true;
    const status = statusIn(fields);
    if (status !== '0') this.#tally.fail(`grpc-status ${status}: ${fields.join(' ')}`);
    else if (this.#received !== this.#sent * this.#message.length)
      this.#tally.fail(`${this.#received} octets came back of ${this.#sent * this.#message.length}`);
    else this.#tally.ended++;
  }

  data(_chunk: Buffer, start: number, end: number, last: boolean): void {
    this.#received += end - start;
    this.#stream.credit(end - start);
    if (last) this.#tally.fail('a stream that ended without trailers');
    const now = performance.now();
    while ((this.#answered + 1) * this.#message.length <= this.#received) {
      this.#tally.sample(this.#sentAt[this.#answered++ % this.#sentAt.length]!);
      if (!this.#stopped) this.#send(now);
    }
  }

  sent(): void {}

  aborted(abort: Abort): void {
    this.over = true;
    this.#tally.fail(abort.message);
  }

  #send(now: number): void {
    this.#sentAt[this.#sent++ % this.#sentAt.length] = now;
    this.#stream.write(this.#message, 0, this.#message.length);
    endFrame(this.#stream);
  }
}

import type { Abort, StreamEnd, StreamListener } from '../../wire/index.ts';
import type { Life } from '../core/life.ts';
import type { Reply } from '../core/reply.ts';
import type { Status } from '../core/status.ts';
import { Timer, type Wheel } from '../core/wheel.ts';
import { statusOfCallerAbort } from './status-mapping.ts';

/** How long the body of such a request may take before it is answered all the same, in milliseconds. */
const patienceMs = 5000;

/** Octets of a request in HTTP/1.1 that are looked at for its id. */
const longestHead = 8192;

/** Answers a request that is not gRPC, in words of HTTP, once it has ended; its body is dropped. */
export class HttpAnswer extends Timer implements StreamListener {
  readonly #stream: StreamEnd;
  readonly #http: number;
  readonly #life: Life;
  readonly #wheel: Wheel;
  #refusal: Status | null = null;
  #ended: boolean;

  /** `http`: the status to answer with; `ended`: the request has no body. */
  constructor(stream: StreamEnd, http: number, life: Life, ended: boolean, wheel: Wheel) {
    super();
    this.#stream = stream;
    this.#http = http;
    this.#life = life;
    this.#wheel = wheel;
    this.#ended = ended;
    // What is no gRPC has no messages either: its octets must not be taken for their lengths.
    stream.ignoreMessages();
    if (!ended) wheel.arm(this, patienceMs);
  }

  /** Takes the stack's refusal, whose message is the answer's text. */
  answer({ over }: Reply): void {
    this.#refusal = over;
    if (this.#ended) this.expire();
  }

  headers(_fields: string[], _never: string[] | null, last: boolean): void {
    if (last) this.expire();
  }

  data(_chunk: Buffer, start: number, end: number, last: boolean): void {
    this.#stream.credit(end - start);
    if (last) this.expire();
  }

  sent(): void {}

  aborted(abort: Abort): void {
    this.#wheel.disarm(this);
    this.#life.cancel(statusOfCallerAbort(abort));
    this.#stream.release();
  }

  /** The request has ended, or taken too long. */
  expire(): void {
    this.#wheel.disarm(this);
    this.#ended = true;
    if (this.#refusal === null) return;
    const stream = this.#stream;
    const type = ['content-type', 'text/plain; charset=utf-8'];
    stream.headers([':status', String(this.#http), ...type, 'x-request-id', this.#life.id], null, false);
    const text = Buffer.from(`${this.#refusal.message}\n`);
    stream.write(text, 0, text.length);
    stream.end();
    this.#life.settle(this.#refusal);
    stream.release();
  }
}

/** The fields of a request in HTTP/1.1 as far as it has `begun`: name, value, name, value; names in lower case. */
export const http1Fields = (begun: Buffer): string[] => {
  const fields: string[] = [];
  for (const line of begun.toString('latin1', 0, longestHead).split('\r\n').slice(1)) {
    if (line === '') break;
    const colon = line.indexOf(':');
    if (colon > 0) fields.push(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return fields;
};

/** A refusal in words of HTTP/1.1, which ends the connection. */
export const http1Refusal = (message: string, id: string): Buffer => {
  const text = `${message}\n`;
  return Buffer.from(
    'HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-type: text/plain; charset=utf-8\r\n' +
      `x-request-id: ${id}\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
  );
};

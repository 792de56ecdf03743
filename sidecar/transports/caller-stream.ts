import { type Abort, ErrorCode, type StreamEnd, type StreamListener } from '../../wire/index.ts';
import type { Call } from '../core/call.ts';
import { encodeMessage } from '../core/grpc-message.ts';
import type { Ledger } from '../core/ledger.ts';
import type { Life } from '../core/life.ts';
import type { Count } from '../core/meter.ts';
import type { Fields, Reply, ReplySink } from '../core/reply.ts';
import { isOurs } from '../core/spoken-for.ts';
import { Code, type Status } from '../core/status.ts';
import type { CallerBody } from './caller-body.ts';
import { statusOfCallerAbort } from './status-mapping.ts';

/** What all streams of a listener have in common. */
export interface Relaying {
  /** Who speaks in messages of the mesh's own. */
  readonly speaker: string;
  readonly resets: Count;
  readonly ledger: Ledger;
  /** The callers are our own app: it may know what is nobody else's business. */
  readonly isApp: boolean;
}

/**
 * CallerStream stands between a caller's stream and the stack: it hands in the request, and relays the reply.
 *
 * The stream keeps its place among the concurrent ones until the reply has been handed over and is at its end: a
 * caller that resets cannot start calls faster than their work stops.
 */
export class CallerStream implements StreamListener, ReplySink {
  readonly #stream: StreamEnd;
  readonly #body: CallerBody;
  readonly #life: Life;
  /** Who speaks in messages of the mesh's own. */
  readonly #speaker: string;
  readonly #resets: Count;
  readonly #ledger: Ledger;
  readonly #isApp: boolean;
  #reply: Reply | null = null;
  #headSent = false;
  #over = false;

  constructor(stream: StreamEnd, body: CallerBody, life: Life, { speaker, resets, ledger, isApp }: Relaying) {
    this.#stream = stream;
    this.#body = body;
    this.#life = life;
    this.#speaker = speaker;
    this.#resets = resets;
    this.#ledger = ledger;
    this.#isApp = isApp;
  }

  /** The call as it goes to the app, while it is in progress. */
  get call(): Call | null {
    return this.#life.call;
  }

  /** Takes the stack's answer. */
  answer(reply: Reply): void {
    if (this.#over) {
      reply.discard();
      this.#release();
      return;
    }
    this.#reply = reply;
    if (reply.head !== null) {
      this.#headSent = true;
      this.#stream.headers(forCaller(reply.head), reply.never ?? null, false);
    }
    reply.attach(this);
  }

  // From the caller.

  headers(_fields: string[], _never: string[] | null, last: boolean): void {
    // gRPC has no request trailers; what stands in them is dropped (RFC 9113 section 8.1 lets us).
    if (last) this.#body.end();
  }

  data(chunk: Buffer, start: number, end: number, last: boolean): void {
    const life = this.#life;
    life.touchedAt = this.#stream.connection.readAt;
    life.requestBytes += end - start;
    this.#body.data(chunk, start, end);
    if (last) this.#body.end();
  }

  sent(bytes: number): void {
    this.#reply?.taken(bytes);
  }

  aborted(abort: Abort): void {
    if (abort.by === 'peer') this.#resets.value++;
    this.#over = true;
    this.#body.close();
    const status = statusOfCallerAbort(abort);
    // For a limit of ours the engine resets only what we leave open: the caller learns why.
    if (abort.breach !== undefined) this.#end(this.#ours(status, []), null);
    // Whoever was told has stopped, though the stack hears of it a little later: the place is free at once.
    const stopped = this.#life.cancel(status);
    this.#reply?.discard();
    this.#ledger.gone(this.#life, this.#stream.connection.loop.now());
    if (stopped || this.#reply !== null) this.#release();
  }

  // From the reply.

  relay(chunk: Uint8Array, start: number, end: number): void {
    const life = this.#life;
    life.touchedAt = this.#stream.connection.loop.now();
    life.responseBytes += end - start;
    this.#stream.write(chunk, start, end);
  }

  finish(status: Status, trailers: Fields, never: readonly string[] | null = null): void {
    if (this.#over) return;
    this.#over = true;
    if (status.isReset === true) return this.#cut(status);
    const isWritten = status.from !== 'peer' || trailers.length === 0;
    let fields = isWritten ? this.#ours(status, trailers) : trailers;
    if (status.code !== Code.OK || this.#life.isSlow)
      fields = this.#ledger.close(this.#life, fields, this.#stream.connection.loop.now(), isWritten);
    if (this.#isApp && status.code !== Code.OK) fields = [...fields, ...this.#tries()];
    this.#body.close();
    this.#end(fields, never);
    this.#life.settle(status);
    if (this.#reply !== null) this.#release();
  }

  /** Resets the caller's stream, as a peer would that fails. */
  #cut(status: Status): void {
    this.#body.close();
    this.#stream.reset(ErrorCode.INTERNAL_ERROR);
    this.#life.settle(status);
    if (this.#reply !== null) this.#release();
  }

  /** The last fields: behind what was sent, or instead of it. */
  #end(fields: Fields, never: readonly string[] | null): void {
    if (this.#headSent) {
      this.#stream.trailers(fields, never);
      return;
    }
    const hasType = fields.some((text, at) => at % 2 === 0 && text === 'content-type');
    const type = hasType ? [] : ['content-type', 'application/grpc'];
    this.#stream.headers([':status', '200', ...type, ...fields], never, true);
  }

  /** The trailers of a status that no peer has written: who decided, why, and the id to ask about. */
  #ours(status: Status, more: Fields): string[] {
    const message = status.from === 'peer' ? status.message : `${this.#speaker}: ${status.message}`;
    const fields = ['grpc-status', String(status.code)];
    if (message !== '') fields.push('grpc-message', encodeMessage(message));
    if (!status.reached) fields.push('x-outrigger-reached', 'false');
    // A peer's verdict on us hangs on `wire`: it hears it only of calls that the app may have seen.
    if (status.from === 'mesh' || (status.from === 'wire' && (this.#isApp || status.reached)))
      fields.push('x-outrigger-from', status.from);
    if (this.#life.id !== '') fields.push('x-request-id', this.#life.id);
    return [...fields, ...more];
  }

  /** How often an endpoint was tried, and which the last time: for our own app alone. */
  #tries(): readonly string[] {
    const { attempts, at } = this.#life;
    if (attempts === 0 || at === null) return [];
    return ['x-outrigger-attempts', String(attempts), 'x-outrigger-endpoint', at.address.id];
  }

  #release(): void {
    this.#stream.release();
  }
}

const forCaller = (head: Fields): string[] => {
  const fields = [':status', '200'];
  for (let i = 0; i < head.length; i += 2) if (!isOurs(head[i]!)) fields.push(head[i]!, head[i + 1]!);
  return fields;
};

import type { Call } from '../core/call.ts';
import type { Cell } from '../core/cell.ts';
import { appLoadMethod, type Contract, contractMethod } from '../core/contract.ts';
import type { Filter } from '../core/filter.ts';
import type { Life, Waiter } from '../core/life.ts';
import { framed } from '../core/messages.ts';
import { writeField } from '../core/protobuf.ts';
import { type Fields, type Reply, type ReplySink, refusal } from '../core/reply.ts';
import { Code, ok, refused, type Status } from '../core/status.ts';

/** What our callers' sidecars are told. */
export interface DescribeSettings {
  /** Null while nothing is known of our app's methods. */
  readonly contract: Cell<Contract | null>;
}

/**
 * Tells a caller's sidecar the contract of our app, and keeps from callers what only we ask it.
 *
 * Above   authorize: so that whoever may connect may read it, and the app sees nothing of it
 * Reads   the method
 * Answers the contract to /outrigger.v1.Contract/Get; NOT_FOUND where none is known; UNIMPLEMENTED to
 *         /outrigger.v1.App/Load
 * Counts  nothing
 * Keeps   the latest contract as it is sent, one for all who ask
 * Status  alpha
 *
 * A call to any other method costs two comparisons.
 */
export const describe = (settings?: DescribeSettings): Filter<Call> => {
  let sent: { readonly contract: Contract; readonly message: Buffer } | null = null;
  return function describe(call, next) {
    if (call.method === appLoadMethod) return refusal(notYours);
    if (call.method !== contractMethod) return next(call);
    const contract = settings?.contract.value ?? null;
    if (contract === null)
      return refusal(refused(Code.NOT_FOUND, 'nothing is known of the methods of this service'));
    if (sent?.contract !== contract) sent = { contract, message: framed(writeField(1, contract.document)) };
    return Promise.resolve(new OneMessage(sent.message, call.life));
  };
};

const notYours = refused(Code.UNIMPLEMENTED, `${appLoadMethod} is for the sidecar of the app alone`);

/** Octets that wait for one caller at most: whoever asks and does not read costs no more than that. */
const mostAhead = 64 * 1024;

/** A reply of one message that many callers share. */
class OneMessage implements Reply, Waiter {
  readonly head: Fields = ['content-type', 'application/grpc'];
  readonly over = null;
  readonly trailers: Fields = [];
  readonly status: Promise<Status>;
  readonly doing = 'telling the contract';
  readonly #message: Uint8Array;
  readonly #life: Life;
  #settle!: (status: Status) => void;
  #sink: ReplySink | null = null;
  #at = 0;
  #ahead = 0;
  #sending = false;
  #outcome: Status | null = null;

  constructor(message: Uint8Array, life: Life) {
    this.#message = message;
    this.#life = life;
    this.status = new Promise((resolve) => {
      this.#settle = resolve;
    });
    life.wait(this);
  }

  attach(sink: ReplySink): void {
    this.#sink = sink;
    if (this.#outcome === null) this.#send();
    else sink.finish(this.#outcome, []);
  }

  taken(bytes: number): void {
    this.#ahead -= bytes;
    this.#send();
  }

  discard(): void {
    this.#end({ code: Code.CANCELLED, message: 'nobody reads the contract', from: 'mesh', reached: true });
  }

  cancelled(status: Status): void {
    this.#end(status);
    this.#sink?.finish(status, []);
  }

  #send(): void {
    // What is sent may be taken at once.
    if (this.#sink === null || this.#sending) return;
    this.#sending = true;
    while (this.#outcome === null && this.#at < this.#message.length && this.#ahead < mostAhead) {
      const start = this.#at;
      this.#at = Math.min(this.#message.length, start + mostAhead - this.#ahead);
      this.#ahead += this.#at - start;
      this.#sink.relay(this.#message, start, this.#at);
    }
    this.#sending = false;
    if (this.#outcome !== null || this.#at < this.#message.length) return;
    this.#end(ok);
    this.#sink.finish(ok, ['grpc-status', '0']);
  }

  #end(status: Status): void {
    if (this.#outcome !== null) return;
    this.#outcome = status;
    this.#life.leave(this);
    this.#settle(status);
  }
}

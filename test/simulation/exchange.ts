import type { Attempt, Call } from '../../sidecar/core/call.ts';
import type { Life, Waiter } from '../../sidecar/core/life.ts';
import type { Fields, Reply, ReplySink } from '../../sidecar/core/reply.ts';
import { broken, Code, ok, type Status } from '../../sidecar/core/status.ts';

const head: Fields = ['content-type', 'application/grpc'];

/** Exchange is one attempt at a simulated instance, and the reply as soon as that begins. */
export class Exchange implements Reply, Waiter {
  head: Fields | null = null;
  over: Status | null = null;
  readonly trailers: Fields = [];
  readonly status: Promise<Status>;
  /** Resolves when the reply begins. */
  readonly begun: Promise<Reply>;
  readonly attempt: Attempt;
  /** The call that the app makes in its turn, while it waits for it. */
  onward: Life | null = null;
  readonly #where: string;
  readonly #done: (exchange: Exchange) => void;
  #settle!: (status: Status) => void;
  #begin: ((reply: Reply) => void) | null = null;
  #sink: ReplySink | null = null;
  #message: Uint8Array | null = null;

  /** `done` hears of the end, whoever made it. */
  constructor(attempt: Attempt, where: string, done: (exchange: Exchange) => void) {
    this.attempt = attempt;
    this.#where = where;
    this.#done = done;
    this.status = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.begun = new Promise((resolve) => {
      this.#begin = resolve;
    });
    attempt.call.life.wait(this);
  }

  get doing(): string {
    return `at ${this.#where}`;
  }

  get call(): Call {
    return this.attempt.call;
  }

  get reached(): boolean {
    return true;
  }

  attach(sink: ReplySink): void {
    this.#sink = sink;
    this.#relay();
    if (this.over !== null) sink.finish(this.over, []);
  }

  taken(): void {}

  discard(): void {
    this.#stop({ code: Code.CANCELLED, message: 'nobody reads the reply', from: 'mesh', reached: true });
  }

  cancelled(status: Status): void {
    this.#stop(status);
  }

  // === what the instance does ===

  /** The head of the reply goes out. */
  begin(): void {
    if (this.over !== null) return;
    this.head = head;
    this.#handOver();
  }

  /** A whole answer: head, message, end. */
  say(message: Uint8Array): void {
    this.begin();
    this.#message = message;
    this.#relay();
    this.end(ok);
  }

  /** The reply is over; without a head it was nothing but trailers. */
  end(status: Status): void {
    if (this.over !== null) return;
    this.over = status;
    this.attempt.call.life.leave(this);
    this.#settle(status);
    const sink = this.#sink;
    this.#sink = null;
    sink?.finish(status, []);
    this.#handOver();
    this.#done(this);
  }

  /** The instance resets the stream. */
  reset(): void {
    const message = `${this.#where}: the peer reset the stream`;
    this.#stop({ code: Code.INTERNAL, message, from: 'wire', reached: true });
  }

  /** The connection is gone. */
  cut(message: string): void {
    this.#stop(broken(`${this.#where}: ${message}`, true));
  }

  /** The app hears that nobody waits, and so do those whom it has called. */
  #stop(status: Status): void {
    this.end(status);
    const { onward } = this;
    this.onward = null;
    onward?.cancel({ code: Code.CANCELLED, message: 'the caller is gone', from: 'wire', reached: true });
  }

  /** Once, to whoever reads: now, or as soon as somebody does. */
  #relay(): void {
    const message = this.#message;
    if (message === null || this.#sink === null) return;
    this.#message = null;
    this.#sink.relay(message, 0, message.length);
  }

  #handOver(): void {
    const begin = this.#begin;
    this.#begin = null;
    begin?.(this);
  }
}

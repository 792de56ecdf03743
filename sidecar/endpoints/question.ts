import type { Body } from '../core/body.ts';
import { type Arrival, type Attempt, Call, noWords } from '../core/call.ts';
import type { EndpointView } from '../core/endpoint.ts';
import type { Kit } from '../core/kit.ts';
import { Life } from '../core/life.ts';
import { framed } from '../core/messages.ts';
import { unruled } from '../core/policy.ts';
import { type RandomHex, randomHex } from '../core/random-hex.ts';
import type { Fields, Reply, ReplySink } from '../core/reply.ts';
import { noRoutes } from '../core/routes.ts';
import type { Snapshot } from '../core/snapshot.ts';
import { Code, ended, type Status } from '../core/status.ts';
import type { Timer } from '../core/wheel.ts';

/** What the mesh itself asks of an app or of another sidecar. */
export interface Question {
  /** For messages: `a health check`. */
  readonly what: string;
  /** `/package.Service/Method`. */
  readonly method: string;
  /** All are sent at once, and then no more. */
  readonly messages: readonly Uint8Array[];
  /** Bytes of the longest answer, all its messages together. */
  readonly mostBytes: number;
  /** What becomes of a longer one: its first bytes count, or the call is ended, RESOURCE_EXHAUSTED. */
  readonly longer: 'cut' | 'ended';
  /** Milliseconds for all of it, waiting for a connection included. */
  readonly timeoutMs: number;
}

/** How a question ended, and what was told until then: the messages behind each other, each with its prefix. */
export interface Told {
  readonly status: Status;
  readonly bytes: Uint8Array;
}

/** Asks over the endpoint's shared connections, past its gate; always settles. */
export type Ask = (endpoint: EndpointView, question: Question) => Promise<Told>;

/** Who asks. */
export const asker =
  (kit: Kit, hex: RandomHex = randomHex()): Ask =>
  (endpoint, question) =>
    new Promise((resolve) => {
      new Asked(kit, endpoint, question, hex, resolve).send();
    });

/** One question on its way: its deadline, its answer. */
class Asked implements Timer, ReplySink {
  slot = -1;
  dueAt = 0;
  before: Timer | null = null;
  after: Timer | null = null;
  readonly #kit: Kit;
  readonly #question: Question;
  readonly #attempt: Attempt;
  readonly #resolve: (told: Told) => void;
  readonly #pieces: Uint8Array[] = [];
  #bytes = 0;
  #reply: Reply | null = null;

  constructor(
    kit: Kit,
    endpoint: EndpointView,
    question: Question,
    hex: RandomHex,
    resolve: (told: Told) => void,
  ) {
    this.#kit = kit;
    this.#question = question;
    const call = callOf(question, kit, hex);
    this.#attempt = { call, endpoint, begunAt: call.arrival.arrivedAt, previous: 0 };
    this.#resolve = resolve;
  }

  send(): void {
    this.#kit.wheel.arm(this, this.#question.timeoutMs);
    this.#attempt.endpoint.send(this.#attempt).then(
      (reply) => {
        this.#reply = reply;
        reply.attach(this);
      },
      (bug) => this.finish(ended(Code.INTERNAL, String(bug)), []),
    );
  }

  relay(chunk: Uint8Array, start: number, end: number): void {
    const { what, mostBytes, longer } = this.#question;
    const room = mostBytes - this.#bytes;
    if (room > 0) this.#pieces.push(Buffer.from(chunk.subarray(start, Math.min(end, start + room))));
    this.#bytes += end - start;
    if (this.#bytes <= mostBytes || longer === 'cut') this.#reply?.taken(end - start);
    else
      this.#attempt.call.life.cancel(
        ended(Code.RESOURCE_EXHAUSTED, `the answer to ${what} is longer than ${mostBytes} bytes`),
      );
  }

  finish(status: Status, _trailers: Fields): void {
    this.#kit.wheel.disarm(this);
    const { life } = this.#attempt.call;
    // What we have ended ourselves ends as we said, whatever the transport makes of it.
    const { outcome } = life;
    life.settle(status);
    this.#resolve({ status: outcome ?? status, bytes: Buffer.concat(this.#pieces) });
  }

  /** The pending reply settles by the cancellation, so `finish` follows. */
  expire(): void {
    const { what, timeoutMs } = this.#question;
    this.#attempt.call.life.cancel(
      ended(Code.DEADLINE_EXCEEDED, `no answer to ${what} within ${timeoutMs} ms`),
    );
  }
}

const callOf = ({ method, messages, timeoutMs }: Question, { clock }: Kit, hex: RandomHex): Call => {
  const now = clock.now();
  const arrival: Arrival = {
    method,
    authority: '',
    port: '',
    words: noWords,
    metadata: ['content-type', 'application/grpc'],
    never: null,
    caller: '',
    arrivedAt: now,
    body: bodyOf(Buffer.concat(messages.map(framed))),
    life: new Life(now),
    snapshot: nothing,
  };
  return new Call(arrival).identified(hex(16), `00-${hex(16)}-${hex(8)}-00`, '', '').until(now + timeoutMs);
};

const bodyOf = (bytes: Uint8Array): Body => ({
  replayable: true,
  ended: true,
  attach: (sink) => {
    sink.write(bytes, 0, bytes.length);
    sink.end();
  },
  detach: () => {},
  taken: () => {},
  branch: () => null,
  commit: () => {},
});

/** A question looks nothing up. */
const nothing: Snapshot = Object.freeze({
  version: 0,
  madeAt: 0,
  services: new Map(),
  asked: new Map(),
  access: { intentions: [], allowByDefault: false, because: 'the mesh itself asks nobody' },
  flags: new Map(),
  flagSet: null,
  flagFaults: [],
  policies: unruled(),
  ...noRoutes,
});

import type { StreamEnd, StreamListener } from '../../wire/index.ts';
import { emptyBody } from '../core/body.ts';
import { Call } from '../core/call.ts';
import type { Cell } from '../core/cell.ts';
import type { Service } from '../core/filter.ts';
import type { Kit } from '../core/kit.ts';
import type { Ledger } from '../core/ledger.ts';
import { Life } from '../core/life.ts';
import { isMethodPath } from '../core/method-path.ts';
import { type Reply, refusal, refuse } from '../core/reply.ts';
import type { Snapshot } from '../core/snapshot.ts';
import type { Stack } from '../core/stack.ts';
import { Code, ended, refused } from '../core/status.ts';
import { CallerBody } from './caller-body.ts';
import { CallerStream, type Relaying } from './caller-stream.ts';
import { HttpAnswer, http1Fields, http1Refusal } from './http-answer.ts';
import { Recording, type RecordingBudget } from './recording.ts';
import { type RequestHead, readHead } from './words.ts';

/** What becomes of the streams that a listener takes. */
export interface IntakeOptions {
  readonly kit: Kit;
  /** Who speaks in messages of the mesh's own: `outrigger orders`. */
  readonly speaker: string;
  /** The callers are our own app. */
  readonly isApp: boolean;
  /** The upstream that this port stands for, or the empty string. */
  readonly upstream: string;
  readonly snapshots: Cell<Snapshot>;
  readonly service: Service<Call>;
  /** What a call goes through that is refused before the service: it gives it an id, and counts it. */
  readonly refusing: Stack<Call, Call>;
  /** Where calls that failed or were slow say what they spent. */
  readonly ledger: Ledger;
  /** Recordings for retries; null where no attempt follows another. */
  readonly recordings: { readonly budget: RecordingBudget; readonly limitBytes: number } | null;
}

/** A name or an address with an optional port; no user, path, escape or control character. */
const authorityPattern = /^(?:[A-Za-z0-9_.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?$/;
/** Ref: gRPC over HTTP/2, "Content-Type": nothing, a subtype, or parameters may follow. */
const grpcType = /^application\/grpc(?:$|[+;])/;
/** The method, in metrics and logs, of what does not name one that may be used. */
const malformed = 'malformed';
/** Patterns are asked once per text: paths and authorities repeat, and come interned from the header table. */
const mostRemembered = 4096;

/** Intake turns a stream into a call, runs it through the stack, and has the reply relayed. */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #relaying: Relaying;
  readonly #paths: Set<string> = new Set();
  readonly #authorities: Set<string> = new Set();

  constructor(options: IntakeOptions) {
    this.#options = options;
    const { speaker, ledger, kit, isApp } = options;
    this.#relaying = { speaker, ledger, isApp, resets: kit.meter.count('outrigger_resets_total', 'caller') };
  }

  /** A stream has begun. `caller`: the service that a verified peer's certificate names, or empty. */
  take(
    stream: StreamEnd,
    fields: readonly string[],
    never: readonly string[] | null,
    last: boolean,
    caller: string,
  ): StreamListener {
    const { kit, recordings, service, refusing, snapshots, upstream } = this.#options;
    const head = readHead(fields);
    const wrong = this.#check(head);
    const life = new Life(stream.openedAt);
    const isCall = wrong === null;
    const recording =
      isCall && recordings !== null ? new Recording(recordings.budget, recordings.limitBytes) : null;
    const body = new CallerBody(stream, recording);
    const relay =
      isCall || wrong.http === 0
        ? new CallerStream(stream, body, life, this.#relaying)
        : new HttpAnswer(stream, wrong.http, life, last, kit.wheel);
    if (last) body.end();
    const call = new Call({
      method: isCall ? head.path : malformed,
      authority: isCall ? head.authority : '',
      port: upstream,
      words: head.words,
      metadata: head.metadata,
      never,
      caller,
      arrivedAt: stream.openedAt,
      body,
      life,
      snapshot: snapshots.value,
    });
    try {
      const serve = isCall ? service : refusing.to(() => refusal(refused(wrong.code, wrong.message)));
      serve(call).then(
        (reply) => this.#answer(relay, life, reply),
        (bug: unknown) => this.#bug(relay, life, bug),
      );
    } catch (bug) {
      this.#bug(relay, life, bug);
    }
    return relay;
  }

  /** A request in HTTP/1.1 has `begun` on the port of that name: what it is answered. */
  http1(begun: Buffer, name: 'app' | 'peers'): Buffer {
    const { kit, refusing, snapshots, upstream } = this.#options;
    const { words, metadata } = readHead(http1Fields(begun));
    const arrivedAt = kit.clock.now();
    const life = new Life(arrivedAt);
    const status = refused(
      Code.UNKNOWN,
      `This is the ${name} port of an Outrigger sidecar: it takes gRPC over HTTP/2 (prior knowledge), not HTTP/1.1.`,
    );
    const named = {
      method: malformed,
      authority: '',
      port: upstream,
      words,
      metadata,
      never: null,
      caller: '',
    };
    const call = new Call({ ...named, arrivedAt, body: emptyBody, life, snapshot: snapshots.value });
    void refusing.to(() => refusal(status))(call);
    life.settle(status);
    return http1Refusal(status.message, life.id);
  }

  #answer(relay: Relay, life: Life, reply: Reply): void {
    try {
      relay.answer(reply);
    } catch (bug) {
      this.#bug(relay, life, bug);
    }
  }

  /** A filter threw: that is a bug of ours, and the caller must not hang for it. */
  #bug(relay: Relay, life: Life, bug: unknown): void {
    const error = bug instanceof Error ? bug : new Error(String(bug));
    this.#options.kit.log.error(
      { id: life.id, error: error.message, stack: error.stack },
      'a filter threw; please report it',
    );
    relay.answer(refuse(ended(Code.INTERNAL, `a fault in the mesh: ${error.message}`)));
  }

  #check(head: RequestHead): Wrong | null {
    if (head.contentType !== 'application/grpc' && !grpcType.test(head.contentType))
      return {
        http: 415,
        code: Code.UNKNOWN,
        message: `this port takes gRPC over HTTP/2, that is content-type: application/grpc, not '${head.contentType.slice(0, 64)}'`,
      };
    if (head.httpMethod !== 'POST')
      return { http: 405, code: Code.UNKNOWN, message: 'gRPC calls are POST requests' };
    if (!this.#paths.has(head.path)) {
      if (!isMethodPath(head.path))
        return {
          http: 0,
          code: Code.UNIMPLEMENTED,
          message: `':path' must be exactly /package.Service/Method, not '${head.path.slice(0, 80)}'`,
        };
      remember(this.#paths, head.path);
    }
    if (head.authority !== '' && !this.#authorities.has(head.authority)) {
      if (!authorityPattern.test(head.authority))
        return {
          http: 0,
          code: Code.INVALID_ARGUMENT,
          message: `':authority' must be a service name, optionally with a port, not '${head.authority.slice(0, 80)}'`,
        };
      remember(this.#authorities, head.authority);
    }
    return null;
  }
}

/** What a stream's answer is handed to. */
interface Relay extends StreamListener {
  answer(reply: Reply): void;
}

interface Wrong {
  /** HTTP status to answer with, or 0 for a gRPC status. */
  readonly http: number;
  readonly code: Code;
  readonly message: string;
}

const remember = (texts: Set<string>, text: string): void => {
  if (texts.size >= mostRemembered) texts.clear();
  texts.add(text);
};

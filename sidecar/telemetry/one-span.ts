import type * as Api from '@opentelemetry/api';
import type { Attempt, Call } from '../core/call.ts';
import type { EndpointView } from '../core/endpoint.ts';
import type { Clock } from '../core/kit.ts';
import type { Life, Witness } from '../core/life.ts';
import type { Count } from '../core/meter.ts';
import type { Status } from '../core/status.ts';
import type { AttemptSpan, CallFacts, CallSpan } from '../core/trace.ts';

/** Whoever keeps spans until they are exported. */
export interface SpanKeeper {
  /** Begins a span and answers its traceparent; null: it is not wanted. */
  begin(span: OneSpan): string | null;
  /** Takes one that is over. */
  end(span: OneSpan): void;
  /** Hands on all that it has taken. */
  close(): void;
}

/** What all spans of a sidecar share. */
export interface SpanGround {
  readonly keeper: SpanKeeper;
  readonly clock: Clock;
  readonly counts: Readonly<Record<SpanKind, Count>>;
}

export type SpanKind = CallFacts['direction'] | 'attempt';

/**
 * The span of a call or of an attempt, as plain values. It ends once, with a status, and from then on nothing of the call
 * lives on in it.
 *
 * One class for all: few calls are sampled, and what is run seldom costs by how much code it is.
 */
export class OneSpan implements CallSpan, AttemptSpan {
  earlier: Witness | null = null;
  /** Names this span as the parent of what comes after. */
  traceparent = '';
  /** What its traceparent begins with, for whoever makes one. */
  trace = '';
  /** What keeps it where OpenTelemetry itself does. */
  kept: Api.Span | null = null;
  readonly kind: SpanKind;
  /** Of the span before it in its trace; its own trace id where it is the first. */
  readonly parent: string;
  readonly tracestate: string;
  readonly isRoot: boolean;
  readonly method: string;
  /** Correlation id of its call. */
  readonly id: string;
  readonly authority: string;
  /** The service that was named, or the verified caller; of an attempt, whom it goes to. */
  readonly named: string;
  /** Of an attempt: the span of its call, the attempt before it, and where it goes. */
  readonly above: OneSpan | null;
  readonly before: OneSpan | null;
  readonly endpoint: EndpointView | null;
  /** Of the endpoint, as the attempt begins. */
  readonly gate: string;
  /** Wall-clock milliseconds. */
  readonly beganAt: number;
  endedAt = 0;
  /** Null while it goes on. */
  status: Status | null = null;
  /** As it goes on: the first hop writes the flags on the way down. */
  baggage: string;
  /** Which attempt it is, or how many there were. */
  attempts: number;
  /** Of a call that is over: where it went in the end, and what its life says. */
  service = '';
  requestBytes = 0;
  responseBytes = 0;
  pickMs = 0;
  queueMs = 0;
  connectMs = 0;
  waitMs = 0;
  readonly #ground: SpanGround;
  /** From monotonic milliseconds to those of the wall clock: one for a call and its attempts, so that they fit. */
  readonly #offsetMs: number;
  #life: Life | null;
  #last: OneSpan | null = null;

  /** `attempt`: whose span it is, if not the call's; `above` is the call's then. */
  constructor(
    ground: SpanGround,
    call: Call,
    { direction, service, isRoot }: CallFacts,
    offsetMs: number,
    attempt: Attempt | null = null,
    above: OneSpan | null = null,
  ) {
    this.#ground = ground;
    this.#offsetMs = offsetMs;
    this.#life = call.life;
    this.kind = attempt === null ? direction : 'attempt';
    this.parent = call.traceparent;
    this.tracestate = call.tracestate;
    this.isRoot = isRoot;
    this.method = call.method;
    this.id = call.id;
    this.authority = call.arrival.authority;
    this.named = service;
    this.above = above;
    this.before = above === null ? null : above.#last;
    this.endpoint = attempt === null ? null : attempt.endpoint;
    this.gate = attempt === null ? '' : attempt.endpoint.gate;
    this.beganAt = (attempt === null ? call.arrival.arrivedAt : attempt.begunAt) + offsetMs;
    this.baggage = call.baggage;
    this.attempts = attempt === null ? 0 : attempt.previous + 1;
  }

  attempt(attempt: Attempt): AttemptSpan {
    const { call, endpoint } = attempt;
    this.baggage = call.baggage;
    const { keeper, counts } = this.#ground;
    const facts: CallFacts = { direction: 'outbound', service: endpoint.address.service, isRoot: false };
    const span = new OneSpan(this.#ground, call, facts, this.#offsetMs, attempt, this);
    span.traceparent = keeper.begin(span) ?? this.traceparent;
    counts.attempt.value++;
    this.#last = span;
    return span;
  }

  over(status: Status): void {
    const life = this.#life;
    if (life === null) return;
    this.#life = null;
    this.status = status;
    const { clock, keeper } = this.#ground;
    // What ends with its call ends no later.
    const endedAt = (life.outcome === null ? clock.now() : life.endedAt(clock)) + this.#offsetMs;
    this.endedAt = Math.max(this.beganAt, endedAt);
    if (this.endpoint === null) this.#take(life);
    keeper.end(this);
  }

  #take(life: Life): void {
    this.service = life.at === null ? '' : life.at.address.service;
    this.attempts = life.attempts;
    this.requestBytes = life.requestBytes;
    this.responseBytes = life.responseBytes;
    this.pickMs = life.pickMs;
    this.queueMs = life.queueMs;
    this.connectMs = life.connectMs;
    this.waitMs = life.waitMs;
  }
}

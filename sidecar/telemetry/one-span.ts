import type * as Api from '@opentelemetry/api';
import type { Attempt, Call } from '../core/call.ts';
import type { Clock } from '../core/kit.ts';
import type { Witness } from '../core/life.ts';
import type { Count } from '../core/meter.ts';
import type { Status } from '../core/status.ts';
import type { AttemptSpan, CallFacts, CallSpan } from '../core/trace.ts';
import { type AttemptFacts, SpanNotes } from './span-notes.ts';

/** Whoever keeps spans until they are exported. */
export interface SpanKeeper {
  /** Begins a span and answers its traceparent; null: it is not wanted. */
  begin(span: OneSpan): string | null;
  /** Takes what it tells. `endedAt`: wall-clock milliseconds. */
  end(span: OneSpan, notes: SpanNotes, endedAt: number): void;
}

/** What all spans of a sidecar share. */
export interface SpanGround {
  readonly keeper: SpanKeeper;
  readonly clock: Clock;
  readonly counts: Readonly<Record<'outbound' | 'inbound' | 'attempt', Count>>;
}

/** A span while it goes on. It ends once, with a status. */
export abstract class OneSpan implements Witness {
  earlier: Witness | null = null;
  /** Names this span as the parent of what comes after. */
  traceparent = '';
  /** What keeps it where OpenTelemetry itself does. */
  kept: Api.Span | null = null;
  /** As it came to the span: its traceparent is the parent's. */
  readonly call: Call;
  /** Wall-clock milliseconds. */
  readonly beganAt: number;
  protected readonly ground: SpanGround;
  /** From monotonic milliseconds to those of the wall clock: one for a call and its attempts, so that they fit. */
  protected readonly offsetMs: number;
  #isOver = false;

  constructor(ground: SpanGround, call: Call, begunAt: number, offsetMs: number) {
    this.ground = ground;
    this.call = call;
    this.offsetMs = offsetMs;
    this.beganAt = begunAt + offsetMs;
  }

  over(status: Status): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { clock, keeper } = this.ground;
    const { life } = this.call;
    // What ends with its call ends no later.
    const endedAt = life.outcome === null ? clock.now() : life.endedAt(clock);
    keeper.end(this, this.notes(status), endedAt + this.offsetMs);
  }

  /** What there is to tell; `status` is null while it goes on. */
  abstract notes(status: Status | null): SpanNotes;
}

/** The span of a call. */
export class OneCall extends OneSpan implements CallSpan {
  readonly #facts: CallFacts;
  #last: OneAttempt | null = null;
  #baggage: string;

  constructor(ground: SpanGround, call: Call, facts: CallFacts, offsetMs: number) {
    super(ground, call, call.arrival.arrivedAt, offsetMs);
    this.#facts = facts;
    this.#baggage = call.baggage;
  }

  attempt(attempt: Attempt): AttemptSpan {
    // The first hop writes the flags on the way down.
    this.#baggage = attempt.call.baggage;
    const { keeper, counts } = this.ground;
    const span = new OneAttempt(this.ground, attempt, this, this.#last, this.offsetMs);
    span.traceparent = keeper.begin(span) ?? this.traceparent;
    counts.attempt.value++;
    this.#last = span;
    return span;
  }

  notes(status: Status | null): SpanNotes {
    const { direction, service, isRoot } = this.#facts;
    const facts = { kind: direction, isRoot, named: service, baggage: this.#baggage };
    return new SpanNotes(this, status, facts, null);
  }
}

/** The span of one attempt. */
export class OneAttempt extends OneSpan implements AttemptSpan {
  readonly parent: OneCall;
  /** The attempt before it. */
  readonly before: OneAttempt | null;
  readonly #facts: AttemptFacts;

  constructor(
    ground: SpanGround,
    { call, endpoint, begunAt, previous }: Attempt,
    parent: OneCall,
    before: OneAttempt | null,
    offsetMs: number,
  ) {
    super(ground, call, begunAt, offsetMs);
    this.parent = parent;
    this.before = before;
    this.#facts = {
      endpoint,
      number: previous + 1,
      gate: endpoint.gate,
      after: before === null ? '' : before.traceparent,
    };
  }

  notes(status: Status | null): SpanNotes {
    const named = this.#facts.endpoint.address.service;
    const facts = { kind: 'attempt', isRoot: false, named, baggage: '' } as const;
    return new SpanNotes(this, status, facts, this.#facts);
  }
}

import type * as Api from '@opentelemetry/api';
import type { Attempt, Call } from '../core/call.ts';
import type { Clock, Kit } from '../core/kit.ts';
import type { Life, Witness } from '../core/life.ts';
import type { Count } from '../core/meter.ts';
import {
  attributes,
  codeText,
  isServerError,
  partsOf,
  rpcMethod,
  system,
  traceparentOf,
} from '../core/span-words.ts';
import { Code, type Status } from '../core/status.ts';
import type { AttemptSpan, CallFacts, CallSpan, Tracer } from '../core/trace.ts';
import { flagAttributes } from './flag-attributes.ts';

/** What spans are made with. */
export interface SpanParts {
  readonly api: typeof Api;
  readonly tracer: Api.Tracer;
  /** Makes the next root span one of the trace `traceId`. */
  readonly rootOf: (traceId: string) => void;
}

/** Characters of a reason in a span. */
const longestWhy = 300;

/** Tells of calls as spans of OpenTelemetry. */
export const spanTracer = ({ clock, meter }: Kit, parts: SpanParts): Tracer => {
  const { api, tracer } = parts;
  const counts = {
    outbound: meter.count('outrigger_spans_total', 'outbound'),
    inbound: meter.count('outrigger_spans_total', 'inbound'),
    attempt: meter.count('outrigger_spans_total', 'attempt'),
  };
  return {
    begin: (call, facts) => {
      const { direction, isRoot } = facts;
      const { arrivedAt } = call.arrival;
      const bornAt = clock.wall() - (clock.now() - arrivedAt);
      const from = partsOf(call.traceparent);
      if (from === null) return null;
      if (isRoot) parts.rootOf(from.traceId);
      const span = tracer.startSpan(
        rpcMethod(call.method),
        {
          kind: direction === 'outbound' ? api.SpanKind.CLIENT : api.SpanKind.SERVER,
          startTime: bornAt,
          attributes: factsOf(call, facts),
        },
        isRoot ? api.ROOT_CONTEXT : parentOf(api, from, call.tracestate),
      );
      if (!span.isRecording()) return null;
      counts[direction].value++;
      return new OneCall(parts, clock, counts.attempt, span, call, direction, bornAt - arrivedAt);
    },
  };
};

const parentOf = (api: typeof Api, from: ReturnType<typeof partsOf> & {}, tracestate: string): Api.Context =>
  api.trace.setSpanContext(api.ROOT_CONTEXT, {
    ...from,
    isRemote: true,
    ...(tracestate !== '' && { traceState: api.createTraceState(tracestate) }),
  });

/** What is known of a call when it has come. */
const factsOf = (call: Call, { direction, service }: CallFacts): Api.Attributes => ({
  [attributes.system]: system,
  [attributes.method]: rpcMethod(call.method),
  [attributes.correlationId]: call.id,
  ...(direction === 'outbound'
    ? service !== '' && { [attributes.service]: service, [attributes.serverAddress]: service }
    : { ...serverOf(call.arrival.authority), ...(service !== '' && { [attributes.caller]: service }) }),
});

/** Whom the caller meant, as it said it. */
const serverOf = (authority: string): Api.Attributes => {
  if (authority === '') return {};
  const colon = authority.lastIndexOf(':');
  const port = colon > authority.lastIndexOf(']') ? Number(authority.slice(colon + 1)) : Number.NaN;
  if (!Number.isInteger(port) || colon < 0) return { [attributes.serverAddress]: authority };
  return { [attributes.serverAddress]: authority.slice(0, colon), [attributes.serverPort]: port };
};

/** A span that ends once, with a status. */
abstract class OneSpan implements Witness {
  earlier: Witness | null = null;
  readonly traceparent: string;
  protected readonly parts: SpanParts;
  protected readonly clock: Clock;
  protected readonly span: Api.Span;
  protected readonly life: Life;
  /** From monotonic milliseconds to those of the wall clock: one for a call and its attempts, so that they fit. */
  protected readonly offsetMs: number;
  #isOver = false;

  constructor(parts: SpanParts, clock: Clock, span: Api.Span, life: Life, offsetMs: number) {
    this.parts = parts;
    this.clock = clock;
    this.span = span;
    this.life = life;
    this.offsetMs = offsetMs;
    this.traceparent = traceparentOf(span.spanContext());
  }

  over(status: Status): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.told(status);
    // What ends with its call ends no later.
    const endedAt = this.life.outcome === null ? this.clock.now() : this.life.endedAt(this.clock);
    this.span.end(endedAt + this.offsetMs);
  }

  protected abstract told(status: Status): void;

  protected end(status: Status, isError: boolean): void {
    const { code, from, reached } = status;
    const name = codeText(code);
    this.span.setAttributes({
      [attributes.code]: name,
      [attributes.decidedBy]: from,
      [attributes.reached]: reached,
      ...(isError && { [attributes.errorType]: name }),
    });
    if (!isError) return;
    // What the app says may be anything; what the mesh says names callers, services and addresses.
    const message = from === 'peer' ? '' : status.message.slice(0, longestWhy);
    this.span.setStatus({ code: this.parts.api.SpanStatusCode.ERROR, ...(message !== '' && { message }) });
  }
}

class OneCall extends OneSpan implements CallSpan {
  readonly #direction: CallFacts['direction'];
  readonly #attempts: Count;
  #last: Api.SpanContext | null = null;
  #baggage: string;

  constructor(
    parts: SpanParts,
    clock: Clock,
    attempts: Count,
    span: Api.Span,
    call: Call,
    direction: CallFacts['direction'],
    offsetMs: number,
  ) {
    super(parts, clock, span, call.life, offsetMs);
    this.#attempts = attempts;
    this.#direction = direction;
    this.#baggage = call.baggage;
  }

  attempt(attempt: Attempt): AttemptSpan {
    const { api, tracer } = this.parts;
    const { call, endpoint, previous, begunAt } = attempt;
    const { address, gate, zone } = endpoint;
    // The first hop writes the flags on the way down.
    this.#baggage = call.baggage;
    const span = tracer.startSpan(
      rpcMethod(call.method),
      {
        kind: api.SpanKind.CLIENT,
        startTime: begunAt + this.offsetMs,
        attributes: {
          [attributes.system]: system,
          [attributes.method]: rpcMethod(call.method),
          [attributes.correlationId]: call.id,
          [attributes.service]: address.service,
          [attributes.serverAddress]: address.host,
          ...(address.port > 0 && { [attributes.serverPort]: address.port }),
          [attributes.endpoint]: address.id,
          [attributes.attempt]: previous + 1,
          [attributes.gate]: gate,
          ...(zone !== null && { [attributes.zone]: zone }),
        },
        ...(this.#last !== null && { links: [{ context: this.#last }] }),
      },
      api.trace.setSpan(api.ROOT_CONTEXT, this.span),
    );
    this.#last = span.spanContext();
    this.#attempts.value++;
    return new OneAttempt(this.parts, this.clock, span, this.life, this.offsetMs);
  }

  protected told(status: Status): void {
    const { life } = this;
    const isOut = this.#direction === 'outbound';
    this.span.setAttributes({
      [attributes.requestBytes]: life.requestBytes,
      [attributes.responseBytes]: life.responseBytes,
      ...flagAttributes(this.#baggage),
      ...(isOut && { [attributes.attempts]: life.attempts }),
      ...waitsOf(life),
    });
    if (isOut && life.at !== null) this.span.setAttribute(attributes.service, life.at.address.service);
    this.end(status, isOut ? status.code !== Code.OK : isServerError(status.code));
  }
}

class OneAttempt extends OneSpan implements AttemptSpan {
  protected told(status: Status): void {
    this.end(status, status.code !== Code.OK);
  }
}

/** What the call has waited for on this side; what took no time is left out. */
const waitsOf = ({ pickMs, queueMs, connectMs, waitMs }: Life): Api.Attributes => ({
  ...(pickMs > 0 && { [attributes.pickMs]: pickMs }),
  ...(queueMs > 0 && { [attributes.queueMs]: queueMs }),
  ...(connectMs > 0 && { [attributes.connectMs]: connectMs }),
  ...(waitMs > 0 && { [attributes.retryMs]: waitMs }),
});

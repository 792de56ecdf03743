import type { Body } from './body.ts';
import type { EndpointView } from './endpoint.ts';
import type { Life } from './life.ts';
import type { Policy } from './policy.ts';
import type { Fields } from './reply.ts';
import type { ServiceView, Snapshot } from './snapshot.ts';
import type { CallSpan } from './trace.ts';

/** The words of the mesh as the caller sent them, unchecked; an absent word is the empty string. */
export interface Words {
  /** x-request-id, or x-correlation-id */
  readonly requestId: string;
  readonly traceparent: string;
  readonly tracestate: string;
  readonly baggage: string;
  /** grpc-timeout */
  readonly timeout: string;
  /** x-outrigger-service */
  readonly service: string;
  /** x-outrigger-token: ties an outbound call to an inbound one */
  readonly token: string;
  /** x-outrigger-priority */
  readonly priority: string;
  /** x-outrigger-fault: a fault that is wanted for this request */
  readonly fault: string;
  /** x-outrigger-flags: answers that a tester wants for this call tree */
  readonly flags: string;
}

/** Words of a call that says nothing. */
export const noWords: Words = Object.freeze({
  requestId: '',
  traceparent: '',
  tracestate: '',
  baggage: '',
  timeout: '',
  service: '',
  token: '',
  priority: '',
  fault: '',
  flags: '',
});

/** Everything that a transport knows of a call when its header block has arrived. */
export interface Arrival {
  /** `/package.Service/Method`, the exact bytes of :path, already matched against the strict pattern. */
  readonly method: string;
  /** :authority, already matched against the strict pattern; empty when there was none. */
  readonly authority: string;
  /** The name of the upstream that the dialled port stands for, or the empty string. */
  readonly port: string;
  readonly words: Words;
  /** The caller's other fields, passed on as they are; no pseudo-fields, no words, nothing hop by hop. */
  readonly metadata: Fields;
  /** Names in `metadata` whose values must never be indexed (RFC 7541 section 7.1.3), or null. */
  readonly never: readonly string[] | null;
  /** The verified service name of who calls, or empty: outbound calls come from our own app. */
  readonly caller: string;
  /** Monotonic milliseconds. */
  readonly arrivedAt: number;
  readonly body: Body;
  readonly life: Life;
  readonly snapshot: Snapshot;
}

/**
 * Call is the facts of one call. They never change: filters derive, and all derivations share one life, but for those
 * of `apart`.
 */
export class Call {
  readonly arrival: Arrival;
  /** `arrival.method`, or what a route made of it; here because every filter reads it. */
  readonly method: string;
  readonly life: Life;
  readonly body: Body;
  readonly snapshot: Snapshot;
  /** Correlation id; the caller's when it was clean, else made. */
  readonly id: string;
  readonly traceparent: string;
  readonly tracestate: string;
  readonly baggage: string;
  /** Monotonic milliseconds; Infinity when the call has no deadline. */
  readonly deadlineAt: number;
  /** How the call is treated; until `govern` has looked, as calls to a service that nobody speaks of. */
  readonly policy: Policy;
  /** Tells of the call; null where it is not sampled, or nobody traces. */
  readonly span: CallSpan | null;

  /** `from`: the same call as filters know it so far; absent: as it arrived. Each field is written once. */
  constructor(arrival: Arrival, from: Call | null = null) {
    this.arrival = arrival;
    this.method = from === null ? arrival.method : from.method;
    this.life = from === null ? arrival.life : from.life;
    this.body = from === null ? arrival.body : from.body;
    this.snapshot = from === null ? arrival.snapshot : from.snapshot;
    this.id = from === null ? '' : from.id;
    this.traceparent = from === null ? '' : from.traceparent;
    this.tracestate = from === null ? '' : from.tracestate;
    this.baggage = from === null ? '' : from.baggage;
    this.deadlineAt = from === null ? Number.POSITIVE_INFINITY : from.deadlineAt;
    this.policy = from === null ? arrival.snapshot.policies.any.all : from.policy;
    this.span = from === null ? null : from.span;
  }

  /** The same call with its correlation known. */
  identified(id: string, traceparent: string, tracestate: string, baggage: string): Call {
    const call = copy(this);
    call.id = id;
    call.traceparent = traceparent;
    call.tracestate = tracestate;
    call.baggage = baggage;
    return call;
  }

  /** The same call, told of by `span` from here on, and with `traceparent` as the parent of what comes after. */
  traced(span: CallSpan | null, traceparent: string): Call {
    const call = copy(this);
    call.span = span;
    call.traceparent = traceparent;
    return call;
  }

  /** The same call with its deadline known, in monotonic milliseconds. */
  until(deadlineAt: number): Call {
    const call = copy(this);
    call.deadlineAt = deadlineAt;
    return call;
  }

  /** The same call, treated as `policy` says. */
  governed(policy: Policy): Call {
    const call = copy(this);
    call.policy = policy;
    return call;
  }

  /** The same call to another method, `/package.Service/Method`. */
  rewritten(method: string): Call {
    const call = copy(this);
    call.method = method;
    return call;
  }

  /** The same call with other baggage. */
  carrying(baggage: string): Call {
    const call = copy(this);
    call.baggage = baggage;
    return call;
  }

  /** The same call as one of several attempts at a time: each has a life that ends by itself, and bytes of its own. */
  apart(life: Life, body: Body): Call {
    const call = copy(this);
    call.life = life;
    call.body = body;
    return call;
  }

  /** The same call read against a newer snapshot, for one that had to wait for its first watch. */
  under(snapshot: Snapshot): Call {
    const call = copy(this);
    call.snapshot = snapshot;
    return call;
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const copy = (from: Call): Mutable<Call> => new Call(from.arrival, from);

/** A call whose service is known. */
export interface RoutedCall {
  readonly call: Call;
  readonly service: ServiceView;
  /** Endpoints that earlier attempts met; balance looks elsewhere first. */
  readonly met: readonly EndpointView[];
}

/** One try of a call at one endpoint. */
export interface Attempt {
  readonly call: Call;
  readonly endpoint: EndpointView;
  /** When its endpoint was chosen, monotonic milliseconds. */
  readonly begunAt: number;
  /** How many attempts went before: grpc-previous-rpc-attempts (gRFC A6), absent on the wire when 0. */
  readonly previous: number;
  /** True while another call has the endpoint's trial: how this one ends must not decide it. */
  readonly beside?: boolean;
}

import type { Attributes } from '@opentelemetry/api';
import type { EndpointView } from '../core/endpoint.ts';
import { attributes, codeText, isServerError, rpcMethod, system } from '../core/span-words.ts';
import { Code, type Status } from '../core/status.ts';
import { flagAttributes } from './flag-attributes.ts';
import type { OneSpan } from './one-span.ts';

/** Characters of a reason in a span. */
const longestWhy = 300;

/** What sort of span it is. */
export interface SpanFacts {
  readonly kind: 'outbound' | 'inbound' | 'attempt';
  readonly isRoot: boolean;
  /** The service that is named, or the verified caller; of an attempt, whom it goes to. */
  readonly named: string;
  readonly baggage: string;
}

/** What it says if it is an attempt's. */
export interface AttemptFacts {
  readonly endpoint: EndpointView;
  /** From 1. */
  readonly number: number;
  /** Of the endpoint, as the attempt began. */
  readonly gate: string;
  /** Traceparent of the attempt before it; empty: none. */
  readonly after: string;
}

/**
 * What a span tells, as plain values. Nothing of the call lives on in it: thousands wait to be exported, and what a
 * call holds would outlive collections and be moved by each.
 */
export class SpanNotes {
  readonly kind: SpanFacts['kind'];
  readonly method: string;
  readonly id: string;
  /** Wall-clock milliseconds. */
  readonly beganAt: number;
  /** Of the span before it in its trace; its own trace id where it is the first. */
  readonly parent: string;
  readonly isRoot: boolean;
  readonly traceparent: string;
  readonly tracestate: string;
  /** Of the attempt before it; empty: none. */
  readonly after: string;
  /** The service that was named, or the verified caller; of an attempt, whom it goes to. */
  readonly named: string;
  /** Where the call went in the end. */
  readonly service: string;
  readonly authority: string;
  readonly host: string;
  readonly port: number;
  readonly endpoint: string;
  readonly gate: string;
  readonly zone: string;
  /** Which attempt it is, or how many there were. */
  readonly attempts: number;
  readonly baggage: string;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly pickMs: number;
  readonly queueMs: number;
  readonly connectMs: number;
  readonly waitMs: number;
  /** -1: it is not over. */
  readonly code: number;
  readonly from: string;
  readonly reached: boolean;
  readonly why: string;

  /** `status`: how it ended; null while it goes on. `attempt`: of whose attempt it is the span, if of one. */
  constructor(
    { call, beganAt, traceparent }: OneSpan,
    status: Status | null,
    { kind, isRoot, named, baggage }: SpanFacts,
    attempt: AttemptFacts | null,
  ) {
    const { life } = call;
    const address = attempt?.endpoint.address ?? null;
    this.kind = kind;
    this.method = call.method;
    this.id = call.id;
    this.beganAt = beganAt;
    this.parent = call.traceparent;
    this.isRoot = isRoot;
    this.traceparent = traceparent;
    this.tracestate = call.tracestate;
    this.after = attempt?.after ?? '';
    this.named = named;
    this.service = life.at === null ? '' : life.at.address.service;
    this.authority = call.arrival.authority;
    this.host = address?.host ?? '';
    this.port = address?.port ?? 0;
    this.endpoint = address?.id ?? '';
    this.gate = attempt?.gate ?? '';
    this.zone = attempt?.endpoint.zone ?? '';
    this.attempts = attempt?.number ?? life.attempts;
    this.baggage = baggage;
    this.requestBytes = life.requestBytes;
    this.responseBytes = life.responseBytes;
    this.pickMs = life.pickMs;
    this.queueMs = life.queueMs;
    this.connectMs = life.connectMs;
    this.waitMs = life.waitMs;
    this.code = status?.code ?? -1;
    this.from = status?.from ?? '';
    this.reached = status?.reached ?? false;
    // What the app says may be anything; what the mesh says names callers, services and addresses.
    this.why = status === null || status.from === 'peer' ? '' : status.message;
  }
}

/** Whether the span is an error: what a caller did wrong is none of the server's. */
export const isError = ({ kind, code }: SpanNotes): boolean =>
  code > Code.OK && (kind !== 'inbound' || isServerError(code));

/** Why it is an error, as far as the mesh knows; may be empty. */
export const whyOf = ({ why }: SpanNotes): string => why.slice(0, longestWhy);

/** What is known of the call, or of the attempt: less while it goes on. */
export const attributesOf = (notes: SpanNotes): Attributes => {
  const told: Attributes = {
    [attributes.system]: system,
    [attributes.method]: rpcMethod(notes.method),
    [attributes.correlationId]: notes.id,
  };
  if (notes.kind === 'attempt') tellAttempt(notes, told);
  else tellCall(notes, told);
  if (notes.code < 0) return told;
  const name = codeText(notes.code);
  told[attributes.code] = name;
  told[attributes.decidedBy] = notes.from;
  told[attributes.reached] = notes.reached;
  if (isError(notes)) told[attributes.errorType] = name;
  return told;
};

const tellAttempt = (notes: SpanNotes, told: Attributes): void => {
  told[attributes.service] = notes.named;
  told[attributes.serverAddress] = notes.host;
  if (notes.port > 0) told[attributes.serverPort] = notes.port;
  told[attributes.endpoint] = notes.endpoint;
  told[attributes.attempt] = notes.attempts;
  told[attributes.gate] = notes.gate;
  if (notes.zone !== '') told[attributes.zone] = notes.zone;
};

const tellCall = (notes: SpanNotes, told: Attributes): void => {
  const isOut = notes.kind === 'outbound';
  if (!isOut) tellServer(notes.authority, told);
  if (notes.named !== '') {
    told[isOut ? attributes.service : attributes.caller] = notes.named;
    if (isOut) told[attributes.serverAddress] = notes.named;
  }
  if (notes.code < 0) return;
  told[attributes.requestBytes] = notes.requestBytes;
  told[attributes.responseBytes] = notes.responseBytes;
  Object.assign(told, flagAttributes(notes.baggage));
  if (isOut) told[attributes.attempts] = notes.attempts;
  if (isOut && notes.service !== '') told[attributes.service] = notes.service;
  // What took no time is left out.
  if (notes.pickMs > 0) told[attributes.pickMs] = notes.pickMs;
  if (notes.queueMs > 0) told[attributes.queueMs] = notes.queueMs;
  if (notes.connectMs > 0) told[attributes.connectMs] = notes.connectMs;
  if (notes.waitMs > 0) told[attributes.retryMs] = notes.waitMs;
};

/** Whom the caller meant, as it said it. */
const tellServer = (authority: string, told: Attributes): void => {
  if (authority === '') return;
  const colon = authority.lastIndexOf(':');
  const port = colon > authority.lastIndexOf(']') ? Number(authority.slice(colon + 1)) : Number.NaN;
  const isSplit = Number.isInteger(port) && colon >= 0;
  told[attributes.serverAddress] = isSplit ? authority.slice(0, colon) : authority;
  if (isSplit) told[attributes.serverPort] = port;
};

import type { Attributes } from '@opentelemetry/api';
import { rpcMethod } from '../core/span-words.ts';
import type { OneSpan } from './one-span.ts';
import type { OtlpPage } from './otlp-page.ts';
import { attributesOf, isError, whyOf } from './span-attributes.ts';

// Numbers of fields and of kinds below are those of opentelemetry/proto/trace/v1/trace.proto.

const client = 3;
const server = 2;
const errorStatus = 2;
/** Of a span's flags: that it is sampled, that it is known whether its parent is elsewhere, and that it is. */
const sampled = 0x01;
const hasRemote = 0x100;
const isRemote = 0x200;
/** More than all fields of fixed size take. */
const fixedOctets = 256;
/** More than name and value of an attribute take beside their letters. */
const attributeOctets = 16;

/**
 * Writes a span that is over as field 2 of opentelemetry.proto.trace.v1.ScopeSpans. `tracestate`: as it is exported.
 * Answers where it begins. A span has some 450 octets.
 */
export const writeSpan = (page: OtlpPage, span: OneSpan, tracestate: string): number => {
  const told = attributesOf(span);
  const name = rpcMethod(span.method);
  const why = isError(span) ? whyOf(span) : '';
  const { before } = span;
  const letters = name.length + why.length + 2 * tracestate.length + lettersOf(told);
  page.room(fixedOctets + 3 * letters);
  const from = page.at;
  const start = page.open(2);
  writeIds(page, span.traceparent);
  if (tracestate !== '') page.text(3, tracestate);
  if (!span.isRoot) page.hex(4, span.parent, spanIdAt, 8);
  page.text(5, name);
  page.varint(6, span.kind === 'inbound' ? server : client);
  page.nanoseconds(7, span.beganAt);
  page.nanoseconds(8, span.endedAt);
  for (const key in told) writeAttribute(page, key, told[key]);
  if (before !== null) writeLink(page, before, tracestate);
  const status = page.open(15);
  if (why !== '') page.text(2, why);
  page.varint(3, isError(span) ? errorStatus : 0);
  page.close(status);
  const isFromElsewhere = !span.isRoot && span.kind !== 'attempt';
  page.fixed32(16, sampled | hasRemote | (isFromElsewhere ? isRemote : 0));
  page.close(start);
  return from;
};

const traceIdAt = 3;
const spanIdAt = 36;

const writeIds = (page: OtlpPage, traceparent: string): void => {
  page.hex(1, traceparent, traceIdAt, 16);
  page.hex(2, traceparent, spanIdAt, 8);
};

const writeLink = (page: OtlpPage, { traceparent }: OneSpan, tracestate: string): void => {
  const link = page.open(13);
  writeIds(page, traceparent);
  if (tracestate !== '') page.text(3, tracestate);
  page.fixed32(6, sampled | hasRemote);
  page.close(link);
};

const writeAttribute = (page: OtlpPage, key: string, value: Attributes[string]): void => {
  const pair = page.open(9);
  page.text(1, key);
  const any = page.open(2);
  if (typeof value === 'string') page.text(1, value);
  else if (typeof value === 'boolean') page.varint(2, value ? 1 : 0);
  else if (Number.isSafeInteger(value) && (value as number) >= 0) page.varint(3, value as number);
  else page.double(4, value as number);
  page.close(any);
  page.close(pair);
};

/** A third of the octets that they take, at most. */
const lettersOf = (told: Attributes): number => {
  let letters = 0;
  for (const key in told) {
    const value = told[key];
    letters += key.length + (typeof value === 'string' ? value.length : 0) + attributeOctets;
  }
  return letters;
};

import type { Attributes } from '@opentelemetry/api';
import { attributes, codeText, isServerError, rpcMethod, system } from '../core/span-words.ts';
import { Code } from '../core/status.ts';
import { flagAttributes } from './flag-attributes.ts';
import type { OneSpan } from './one-span.ts';

/** Characters of a reason in a span. */
const longestWhy = 300;

/** Whether the span is an error: what a caller did wrong is none of the server's. */
export const isError = ({ kind, status }: OneSpan): boolean =>
  status !== null && status.code !== Code.OK && (kind !== 'inbound' || isServerError(status.code));

/** Why it is an error, as far as the mesh knows; may be empty. */
export const whyOf = ({ status }: OneSpan): string =>
  // What the app says may be anything; what the mesh says names callers, services and addresses.
  status === null || status.from === 'peer' ? '' : status.message.slice(0, longestWhy);

/** What is known of the call, or of the attempt: less while it goes on. */
export const attributesOf = (span: OneSpan): Attributes => {
  const told: Attributes = {
    [attributes.system]: system,
    [attributes.method]: rpcMethod(span.method),
    [attributes.correlationId]: span.id,
  };
  if (span.kind === 'attempt') tellAttempt(span, told);
  else tellCall(span, told);
  if (span.status === null) return told;
  const { code, from, reached } = span.status;
  const name = codeText(code);
  told[attributes.code] = name;
  told[attributes.decidedBy] = from;
  told[attributes.reached] = reached;
  if (isError(span)) told[attributes.errorType] = name;
  return told;
};

const tellAttempt = ({ named, endpoint, attempts, gate }: OneSpan, told: Attributes): void => {
  told[attributes.service] = named;
  if (endpoint !== null) {
    const { host, port, id } = endpoint.address;
    told[attributes.serverAddress] = host;
    if (port > 0) told[attributes.serverPort] = port;
    told[attributes.endpoint] = id;
  }
  told[attributes.attempt] = attempts;
  told[attributes.gate] = gate;
  if (endpoint !== null && endpoint.zone !== null) told[attributes.zone] = endpoint.zone;
};

const tellCall = (span: OneSpan, told: Attributes): void => {
  const isOut = span.kind === 'outbound';
  if (!isOut) tellServer(span.authority, told);
  if (span.named !== '') {
    told[isOut ? attributes.service : attributes.caller] = span.named;
    if (isOut) told[attributes.serverAddress] = span.named;
  }
  if (span.status === null) return;
  told[attributes.requestBytes] = span.requestBytes;
  told[attributes.responseBytes] = span.responseBytes;
  Object.assign(told, flagAttributes(span.baggage));
  if (isOut) told[attributes.attempts] = span.attempts;
  if (isOut && span.service !== '') told[attributes.service] = span.service;
  // What took no time is left out.
  if (span.pickMs > 0) told[attributes.pickMs] = span.pickMs;
  if (span.queueMs > 0) told[attributes.queueMs] = span.queueMs;
  if (span.connectMs > 0) told[attributes.connectMs] = span.connectMs;
  if (span.waitMs > 0) told[attributes.retryMs] = span.waitMs;
};

const highestPort = 65_535;

/** Whom the caller meant, as it said it. */
const tellServer = (authority: string, told: Attributes): void => {
  if (authority === '') return;
  const colon = authority.lastIndexOf(':');
  const port = colon > authority.lastIndexOf(']') ? Number(authority.slice(colon + 1)) : Number.NaN;
  const isSplit = Number.isInteger(port) && port >= 0 && port <= highestPort && colon >= 0;
  told[attributes.serverAddress] = isSplit ? authority.slice(0, colon) : authority;
  if (isSplit) told[attributes.serverPort] = port;
};

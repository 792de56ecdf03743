import type { Attempt } from '../core/call.ts';
import { encodeTimeout } from '../core/grpc-timeout.ts';

/** How an attempt's request differs between the way to a peer and the way to our own app. */
export interface Direction {
  readonly scheme: 'http' | 'https';
  /** `service`: the name of the service called, as peers expect; `caller`: what the caller said, for the app. */
  readonly authority: 'service' | 'caller';
  /** Makes what ties the app's calls out to this call in; null on the way to a peer. */
  readonly token: (() => string) | null;
}

/** Ref: gRFC A6. What a retrying caller says itself passes, until we retry too. */
export const previousAttempts = 'grpc-previous-rpc-attempts';

/** What a peer gets less than is left: this share, and no more than so many milliseconds. */
const reserveShare = 0.03;
const mostReserveMs = 10;

/**
 * What a peer may take of what is left. A little less: whoever has the time must end first, so that its answer comes
 * before all who wait for it give up by the same clock, and names who had the time.
 */
const forPeer = (leftMs: number): number => leftMs - Math.min(mostReserveMs, leftMs * reserveShare);

/** The fields of one attempt, pseudo-fields first. `now` in monotonic milliseconds. */
export const requestFields = (attempt: Attempt, direction: Direction, now: number): string[] => {
  const { call } = attempt;
  const { arrival } = call;
  const toApp = direction.authority === 'caller';
  const fields = [
    ':method',
    'POST',
    ':scheme',
    direction.scheme,
    ':path',
    call.method,
    ':authority',
    toApp ? arrival.authority || attempt.endpoint.address.service : attempt.endpoint.address.service,
    'te',
    'trailers',
  ];
  const { metadata } = arrival;
  const again = attempt.previous > 0;
  for (let i = 0; i < metadata.length; i += 2)
    if (!again || metadata[i] !== previousAttempts) fields.push(metadata[i]!, metadata[i + 1]!);
  fields.push('x-request-id', call.id, 'traceparent', call.traceparent);
  if (call.tracestate !== '') fields.push('tracestate', call.tracestate);
  if (call.baggage !== '') fields.push('baggage', call.baggage);
  if (call.deadlineAt !== Number.POSITIVE_INFINITY) {
    const leftMs = call.deadlineAt - now;
    fields.push('grpc-timeout', encodeTimeout(toApp ? leftMs : forPeer(leftMs)));
  }
  if (again) fields.push(previousAttempts, String(attempt.previous));
  if (arrival.words.priority !== '') fields.push('x-outrigger-priority', arrival.words.priority);
  if (!toApp && arrival.words.fault !== '') fields.push('x-outrigger-fault', arrival.words.fault);
  if (!toApp && arrival.words.flags !== '') fields.push('x-outrigger-flags', arrival.words.flags);
  if (direction.token !== null) fields.push('x-outrigger-token', direction.token());
  if (toApp && arrival.caller !== '') fields.push('x-outrigger-caller', arrival.caller);
  return fields;
};

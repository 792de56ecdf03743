import { describe, expect, it } from 'vitest';
import { requestFields } from '../../../sidecar/transports/request-fields.ts';
import { FakeEndpoint, newAttempt } from '../../support/calls.ts';
import { StillClock } from '../../support/kit.ts';

/** The grpc-timeout of an attempt that is sent `leftMs` before its deadline. */
const timeout = (leftMs: number, authority: 'caller' | 'service', previous = 0): string | undefined => {
  const clock = new StillClock();
  const attempt = newAttempt(clock, new FakeEndpoint());
  const call = attempt.call.until(clock.now() + leftMs);
  const direction = { scheme: 'http', authority, token: null } as const;
  const fields = requestFields({ ...attempt, call, previous }, direction, clock.now());
  const at = fields.indexOf('grpc-timeout');
  return at < 0 ? undefined : fields[at + 1];
};

describe('the grpc-timeout of an attempt', () => {
  it.each([
    [300, '300000u'],
    [0.5, '500u'],
    [Number.POSITIVE_INFINITY, undefined],
  ])('to our own app is what is left: %s ms', (leftMs, said) => {
    expect(timeout(leftMs, 'caller')).toBe(said);
  });

  it.each([
    [100, '97000u'], // 3 %
    [300, '291000u'],
    [10_000, '9990000u'], // 10 ms at most
  ])('to a peer is a little less: %s ms', (leftMs, said) => {
    expect(timeout(leftMs, 'service')).toBe(said);
  });

  it('is less for each attempt', () => {
    expect([timeout(300, 'service'), timeout(250, 'service', 1)]).toEqual(['291000u', '242500u']);
  });
});

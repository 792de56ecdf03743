import { describe, expect, it } from 'vitest';
import { emptyBody } from '../../../sidecar/core/body.ts';
import { broken, Code, ended, ok, type Status } from '../../../sidecar/core/status.ts';
import { eject } from '../../../sidecar/filters/eject.ts';
import { answer, type CallParts, FakeEndpoint, HeldReply, newAttempt } from '../../support/calls.ts';
import { stillKit } from '../../support/kit.ts';

/** What an endpoint hears of how long it was waited for, where the attempt ends so after 40 ms. */
const heard = async (status: Status | 'begins', { parts = {}, lastByteAfterMs = 0, beside = false } = {}) => {
  const kit = stillKit();
  const endpoint = new FakeEndpoint();
  const early = newAttempt(kit.clock, endpoint, parts as CallParts);
  const { life } = early.call;
  kit.pass(7); // it waited for something before its endpoint was chosen
  const attempt = { ...early, begunAt: kit.clock.now(), beside };
  await eject(kit)(attempt, () => {
    const sentAt = kit.clock.now();
    if (lastByteAfterMs > 0) life.touchedAt = sentAt + lastByteAfterMs;
    kit.pass(40);
    return status === 'begins' ? Promise.resolve(new HeldReply(life)) : answer(status);
  });
  return endpoint.waits;
};

const peer = (code: Code): Status => ({ code, message: '', from: 'peer', reached: true });

describe('how long an endpoint was waited for', () => {
  it.each([
    ['a reply that begins', 'begins' as const],
    ['one that is over at once', ok],
    ["an app's own error", peer(Code.NOT_FOUND)],
  ])('is the time until %s, without what came before', async (_, status) => {
    expect(await heard(status)).toEqual(['whole 40']);
  });

  it.each([
    ['nobody answered', broken('lost', true)],
    ['the deadline passed', ended(Code.DEADLINE_EXCEEDED, 'late')],
    ['the answer was a failure, which is fast for nothing', peer(Code.INTERNAL)],
    ['the peer had no room', peer(Code.RESOURCE_EXHAUSTED)],
  ])('is at least that where %s', async (_, status) => {
    expect(await heard(status)).toEqual(['at least 40']);
  });

  it("begins with the request's last byte", async () => {
    expect(await heard('begins', { lastByteAfterMs: 30 })).toEqual(['whole 10']);
  });

  it('is not told while the request goes on, nor by a call beside the one on trial', async () => {
    expect(await heard('begins', { parts: { body: { ...emptyBody, ended: false } } })).toEqual([]);
    expect(await heard('begins', { beside: true })).toEqual([]);
  });
});

import { describe, expect, it } from 'vitest';
import { broken, Code, ended, ok, refused, type Status } from '../../../sidecar/core/status.ts';
import { eject } from '../../../sidecar/filters/eject.ts';
import { answer, FakeEndpoint, HeldReply, newAttempt, run } from '../../support/calls.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { stillKit } from '../../support/kit.ts';

keepsTheFilterContract('eject', {
  make: eject,
  call: ({ clock }) => newAttempt(clock, new FakeEndpoint()),
  refused: {},
});

const peer = (code: Code): Status => ({ code, message: '', from: 'peer', reached: true });
const gone: Status = { code: Code.CANCELLED, message: 'gone', from: 'wire', reached: true };

/** The verdict on an endpoint where a call ended so, `grantedMs` after which its deadline lies. */
const verdictOn = async (status: Status, { grantedMs = Number.POSITIVE_INFINITY, held = false } = {}) => {
  const kit = stillKit();
  const endpoint = new FakeEndpoint();
  const attempt = newAttempt(kit.clock, endpoint);
  const { life } = attempt.call;
  const timed = { ...attempt, call: attempt.call.until(kit.clock.now() + grantedMs) };
  const running = run(
    (each) => eject(kit)(each, () => (held ? Promise.resolve(new HeldReply(life)) : answer(status))),
    timed,
  );
  if (held) life.cancel(status);
  await running;
  return endpoint.verdicts;
};

describe('eject', () => {
  it.each<[string, Status, string]>([
    ['an answer', ok, 'success'],
    ["an app's own error", peer(Code.NOT_FOUND), 'success'],
    ["an app's INTERNAL", peer(Code.INTERNAL), 'success'],
    ["an app's own CANCELLED", peer(Code.CANCELLED), 'success'],
    ["an app's UNAVAILABLE", peer(Code.UNAVAILABLE), 'failure'],
    ["an app's DEADLINE_EXCEEDED", peer(Code.DEADLINE_EXCEEDED), 'failure'],
    ['a lost connection', broken('lost', true), 'failure'],
    ['a refused stream', broken('REFUSED_STREAM', false), 'failure'],
    ['a protocol error', { ...broken('bad frame', true), code: Code.INTERNAL }, 'failure'],
    ['a dead app behind a living sidecar', refused(Code.UNAVAILABLE, 'app not listening'), 'failure'],
    ['a denial', refused(Code.PERMISSION_DENIED, 'no'), 'neutral'],
    ['a full queue of our own', refused(Code.RESOURCE_EXHAUSTED, 'full'), 'neutral'],
  ])('learns from %s', async (_, status, verdict) => {
    expect(await verdictOn(status)).toEqual([verdict]);
  });

  it('learns nothing from a caller that went away', async () => {
    expect(await verdictOn(gone, { held: true })).toEqual(['neutral']);
  });

  it('learns from a deadline only when it left time enough', async () => {
    const late = ended(Code.DEADLINE_EXCEEDED, 'late');
    expect(await verdictOn(late, { grantedMs: 10, held: true })).toEqual(['failure']);
    expect(await verdictOn(late, { grantedMs: 9, held: true })).toEqual(['neutral']);
  });

  it('takes a caller that goes away when its time is over as a deadline: it may notice before we do', async () => {
    for (const [grantedMs, afterMs, verdict] of [
      [1000, 979, 'neutral'], // it changed its mind
      [1000, 981, 'failure'],
      [100, 89, 'neutral'],
      [100, 91, 'failure'],
      [9, 9, 'neutral'], // too little time to tell
    ] as const) {
      const kit = stillKit();
      const endpoint = new FakeEndpoint();
      const attempt = newAttempt(kit.clock, endpoint);
      const timed = { ...attempt, call: attempt.call.until(kit.clock.now() + grantedMs) };
      await eject(kit)(timed, () => Promise.resolve(new HeldReply(attempt.call.life)));
      kit.pass(afterMs);
      attempt.call.life.cancel(gone);
      expect(endpoint.verdicts).toEqual([verdict]);
    }
  });

  it('learns nothing from a silent stream that had no deadline', async () => {
    expect(await verdictOn(ended(Code.DEADLINE_EXCEEDED, 'idle'), { held: true })).toEqual(['neutral']);
  });

  it('says why, so that the log of a gate can tell', async () => {
    const kit = stillKit();
    const endpoint = new FakeEndpoint();
    const [atOnce, later] = [broken('refused', false), broken('lost', true)];
    await run((each) => eject(kit)(each, () => answer(atOnce)), newAttempt(kit.clock, endpoint));
    const attempt = newAttempt(kit.clock, endpoint);
    const held = new HeldReply(attempt.call.life);
    await eject(kit)(attempt, () => Promise.resolve(held));
    held.end(later);
    expect(endpoint.causes).toEqual([atOnce, later]);
  });

  it('waits for the end of a reply that has begun', async () => {
    const kit = stillKit();
    const endpoint = new FakeEndpoint();
    const attempt = newAttempt(kit.clock, endpoint);
    const held = new HeldReply(attempt.call.life);
    await eject(kit)(attempt, () => Promise.resolve(held));
    expect(endpoint.verdicts).toEqual([]);
    held.end(peer(Code.UNAVAILABLE));
    expect(endpoint.verdicts).toEqual(['failure']);
  });

  it('tells when a reply on trial begins, and how it ends', async () => {
    const kit = stillKit();
    const endpoint = new FakeEndpoint();
    endpoint.gate = 'probing';
    const attempt = newAttempt(kit.clock, endpoint);
    const held = new HeldReply(attempt.call.life);
    await eject(kit)(attempt, () => Promise.resolve(held));
    expect(endpoint.verdicts).toEqual(['begun']);
    held.end(peer(Code.UNAVAILABLE));
    expect(endpoint.verdicts).toEqual(['begun', 'failure']);
  });

  it.each([
    ['failure', peer(Code.UNAVAILABLE)],
    ['success', ok],
  ])('hears nothing from a call beside the one on trial, be it %s', async (verdict, status) => {
    for (const [beside, heard] of [
      [true, []],
      [false, [verdict]], // control
    ] as const) {
      const kit = stillKit();
      const endpoint = new FakeEndpoint();
      endpoint.gate = 'probing';
      const atOnce = { ...newAttempt(kit.clock, endpoint), beside };
      await run((each) => eject(kit)(each, () => answer(status)), atOnce);
      expect(endpoint.verdicts).toEqual(heard);
      const later = { ...newAttempt(kit.clock, endpoint), beside };
      const held = new HeldReply(later.call.life);
      await eject(kit)(later, () => Promise.resolve(held));
      held.end(status);
      expect(endpoint.verdicts.length > heard.length).toBe(!beside);
    }
  });

  it('judges by the epoch in which the attempt began', async () => {
    const kit = stillKit();
    const endpoint = new FakeEndpoint();
    await run(
      (each) =>
        eject(kit)(each, () => {
          endpoint.epoch++;
          return answer(broken('lost', true));
        }),
      newAttempt(kit.clock, endpoint),
    );
    expect(endpoint.verdicts).toEqual(['stale failure']);
  });

  it('gives a trial back when something below is broken', async () => {
    const kit = stillKit();
    const endpoint = new FakeEndpoint();
    await run(
      (each) => eject(kit)(each, () => Promise.reject(new Error('a bug'))),
      newAttempt(kit.clock, endpoint),
    );
    expect(endpoint.verdicts).toEqual(['neutral']);
  });
});

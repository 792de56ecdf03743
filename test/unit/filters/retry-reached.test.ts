import { describe, expect, it } from 'vitest';
import { refusal } from '../../../sidecar/core/reply.ts';
import { broken, Code, ended, ok } from '../../../sidecar/core/status.ts';
import { HeldReply, notingBody, settled } from '../../support/calls.ts';
import { endpoints, failure, idempotent, retryAlone, Tries } from '../../support/tries.ts';

const unavailable = failure();
const lost = broken('connection lost', true);

/** The first wait and the second, in the middle of their jitter, and the wheel's own step. */
const [firstWait, secondWait] = [30, 55] as const;

describe('a call that may have reached an app', () => {
  it.each([
    ['the app itself said UNAVAILABLE', unavailable],
    ['the connection broke', lost],
  ])('is tried again where it may be executed twice: %s', async (_, first) => {
    const tries = new Tries(endpoints(3), [first, ok]);
    const status = tries.call({ policy: idempotent });
    await settled();
    expect(tries.met).toHaveLength(1); // it waits, though two others are there
    tries.kit.pass(firstWait);
    expect(await status).toBe(ok);
    expect(new Set(tries.met).size).toBe(2);
    expect(tries.previous).toEqual([0, 1]);
    expect([tries.made('retry'), tries.made('transparent')]).toEqual([1, 0]);
    expect(tries.body.commits).toBe(1);
    expect(tries.kit.wheel.size).toBe(0);
  });

  it('control: is tried once where nothing says so', async () => {
    const tries = new Tries(endpoints(3), [unavailable, ok]);
    expect(await tries.call()).toBe(unavailable.status);
    expect(tries.met).toHaveLength(1);
  });

  it('waits twice as long each time, up to the longest wait', async () => {
    const tries = new Tries(endpoints(5), [unavailable]);
    const waits = { attempts: 4, 'first-wait': 20, 'longest-wait': 30 };
    const status = tries.call({ policy: { ...idempotent, retry: waits } });
    const made: number[] = [];
    for (let ms = 0; ms < 100; ms += 10) {
      await settled();
      made.push(tries.met.length);
      tries.kit.pass(10);
    }
    expect(made).toEqual([1, 1, 2, 2, 2, 3, 3, 3, 4, 4]); // after 20, 30 and 30 ms
    expect(await status).toBe(unavailable.status);
  });

  it.each([
    ['none of the codes', failure(Code.ABORTED), {}],
    ['a refusal by the rules', failure(Code.PERMISSION_DENIED), {}],
    ['a deadline', failure(Code.DEADLINE_EXCEEDED), { codes: [Code.DEADLINE_EXCEEDED] }],
    ['a deadline of ours', ended(Code.DEADLINE_EXCEEDED, 'late'), { codes: [Code.DEADLINE_EXCEEDED] }],
  ])('is not tried again after %s', async (_, said, retry) => {
    const tries = new Tries(endpoints(3), [said]);
    await tries.call({ policy: { ...idempotent, retry } });
    expect(tries.met).toHaveLength(1);
  });

  it('is tried again after any code that the policy names', async () => {
    const tries = new Tries(endpoints(3), [failure(Code.ABORTED), ok]);
    const status = tries.call({ policy: { ...idempotent, retry: { codes: [Code.ABORTED] } } });
    await settled();
    tries.kit.pass(firstWait);
    expect(await status).toBe(ok);
  });

  it('is not tried again when its bytes are no longer all recorded', async () => {
    const tries = new Tries(endpoints(3), [unavailable]);
    await tries.call({ policy: idempotent, body: notingBody(false) });
    expect(tries.met).toHaveLength(1);
  });
});

describe('what the peer says of trying again', () => {
  it('is done: so long a wait, and then as after the first failure', async () => {
    const tries = new Tries(endpoints(4), [unavailable, failure(Code.UNAVAILABLE, '200'), unavailable, ok]);
    const status = tries.call({ policy: { ...idempotent, retry: { attempts: 4 } } });
    await settled();
    tries.kit.pass(firstWait);
    await settled();
    expect(tries.met).toHaveLength(2);
    tries.kit.pass(195);
    await settled();
    expect(tries.met).toHaveLength(2);
    tries.kit.pass(10);
    await settled();
    expect(tries.met).toHaveLength(3);
    tries.kit.pass(firstWait); // not the third wait, of 100 ms
    expect(await status).toBe(ok);
  });

  it.each(['-1', '', 'soon', '1.5', '99999999999'])('is do not, when it is %j', async (pushback) => {
    const tries = new Tries(endpoints(3), [failure(Code.UNAVAILABLE, pushback)]);
    await tries.call({ policy: idempotent });
    expect(tries.met).toHaveLength(1);
    expect(tries.refused('pushback')).toBe(1);
  });

  it('holds for what no app has seen too', async () => {
    const unseen = { ...failure(Code.UNAVAILABLE, '100'), status: broken('overloaded', false) };
    const tries = new Tries(endpoints(3), [unseen, ok]);
    const status = tries.call();
    await settled();
    expect(tries.met).toHaveLength(1); // the control is in retry.test.ts: without a word the next one is met at once
    tries.kit.pass(105);
    expect(await status).toBe(ok);
  });

  it('is not waited for past the deadline', async () => {
    const tries = new Tries(endpoints(3), [failure(Code.UNAVAILABLE, '200')]);
    expect((await tries.call({ policy: idempotent, grantedMs: 150 })).code).toBe(Code.UNAVAILABLE);
    expect(tries.refused('deadline')).toBe(1);
    expect(tries.kit.wheel.size).toBe(0);
  });
});

describe('a deadline', () => {
  const known = (tries: Tries, ms: number): void => {
    for (let i = 0; i < 100; i++)
      tries.latencies.of('/shop.Inventory/Get')!.record(ms, tries.kit.clock.now());
  };

  it('leaves no room for a try that can hardly be quicker than all before', async () => {
    const tries = new Tries(endpoints(3), [unavailable]);
    known(tries, 80);
    expect(await tries.call({ policy: idempotent, grantedMs: 100 })).toBe(unavailable.status);
    expect([tries.met.length, tries.refused('deadline')]).toEqual([1, 1]);
  });

  it('control: leaves room where they took half as long', async () => {
    const tries = new Tries(endpoints(3), [unavailable, ok]);
    known(tries, 40);
    const status = tries.call({ policy: idempotent, grantedMs: 100 });
    await settled();
    tries.kit.pass(firstWait);
    expect(await status).toBe(ok);
  });
});

describe('one layer of a call tree retries', () => {
  it('marks the baggage of what it may try again, beside what is there', async () => {
    const tries = new Tries(endpoints(3), [ok]);
    await tries.call({ policy: idempotent });
    await tries.call({ policy: idempotent, words: { baggage: 'tenant=7' } });
    expect(tries.baggage).toEqual(['outrigger.retry=1', 'tenant=7,outrigger.retry=1']);
  });

  it('marks nothing where it will not', async () => {
    const tries = new Tries(endpoints(3), [ok]);
    await tries.call();
    await tries.call({ policy: { ...idempotent, retry: { attempts: 1 } } });
    await tries.call({ policy: { ...idempotent, retry: { codes: [] } } });
    expect(tries.baggage).toEqual(['', '', '']);
  });

  it('holds back below the mark, and says so', async () => {
    const tries = new Tries(endpoints(3), [unavailable]);
    await tries.call({ policy: idempotent, words: { baggage: 'outrigger.retry=1' } });
    expect([tries.met.length, tries.refused('layer')]).toEqual([1, 1]);
    expect(tries.baggage).toEqual(['outrigger.retry=1']);
  });

  it('tries again below the mark what nobody saw', async () => {
    const tries = new Tries(endpoints(3), [broken('refused', false), ok]);
    expect(await tries.call({ policy: idempotent, words: { baggage: 'outrigger.retry=1' } })).toBe(ok);
    expect(tries.made('transparent')).toBe(1);
  });

  it('holds back where baggage has no room for the mark: those below could not know', async () => {
    const full = `a=${'x'.repeat(8185)}`;
    const tries = new Tries(endpoints(3), [unavailable]);
    await tries.call({ policy: idempotent, words: { baggage: full } });
    expect([tries.met.length, tries.baggage[0]]).toEqual([1, full]);
  });
});

describe('the budget of a service', () => {
  /** A hundred calls that fail once each. */
  const storm = async (tries: Tries, budget: object): Promise<void> => {
    for (let i = 0; i < 100; i++) {
      const status = tries.call({ policy: { ...idempotent, budget } });
      await settled();
      tries.kit.pass(firstWait);
      await settled();
      tries.kit.pass(secondWait);
      await status;
    }
  };

  it('bounds what all its calls are tried again', async () => {
    const tries = new Tries(endpoints(3), [unavailable]);
    await storm(tries, { percent: 10, floor: 0 });
    // A tenth of a hundred calls; each call asked until it was refused.
    expect([tries.made('retry'), tries.refused('budget')]).toEqual([10, 100]);
  });

  it('control: off, each is tried twice again', async () => {
    const tries = new Tries(endpoints(3), [unavailable]);
    await storm(tries, { mode: 'off', percent: 10, floor: 0 });
    expect([tries.made('retry'), tries.refused('budget')]).toEqual([200, 0]);
  });

  it('in shadow, counts what it would have refused', async () => {
    const tries = new Tries(endpoints(3), [unavailable]);
    await storm(tries, { mode: 'shadow', percent: 10, floor: 0 });
    expect(tries.made('retry')).toBe(200);
    expect(tries.refused('budget-shadow')).toBeGreaterThanOrEqual(180);
  });

  it('is free for the first try that nobody saw, and not for the second', async () => {
    const none = { percent: 0, floor: 0 };
    const tries = new Tries(endpoints(3), [broken('refused', false)]);
    await tries.call({ policy: { budget: none } });
    expect([tries.made('transparent'), tries.refused('budget')]).toEqual([1, 1]);
  });
});

describe('tokens', () => {
  const most = { tokens: { most: 4, ratio: 0.5 }, budget: { mode: 'off' } } as const;

  it('run out when most calls fail, and come back with those that go well', async () => {
    const tries = new Tries(endpoints(3), [
      unavailable,
      unavailable,
      unavailable,
      ok,
      ok,
      ok,
      unavailable,
      ok,
    ]);
    const first = tries.call({ policy: { ...idempotent, ...most } });
    await settled();
    tries.kit.pass(firstWait);
    await first; // two failures: half of the tokens are left
    expect([tries.met.length, tries.refused('tokens')]).toEqual([2, 1]);
    await tries.call({ policy: { ...idempotent, ...most } });
    expect([tries.met.length, tries.refused('tokens')]).toEqual([3, 2]);
    for (let i = 0; i < 3; i++) await tries.call({ policy: { ...idempotent, ...most } });
    const last = tries.call({ policy: { ...idempotent, retry: { attempts: 2 }, tokens: { most: 10 } } });
    await settled();
    tries.kit.pass(firstWait);
    expect(await last).toBe(ok);
  });

  it.each([
    ['badly', unavailable.status, 1],
    ['well', ok, 2],
  ])('hear of a reply that had begun and ended %s', async (_, end, tried) => {
    const tries = new Tries(endpoints(3), []);
    const filter = retryAlone(tries.kit, endpoints(3));
    const begun = tries.routed({ policy: { ...idempotent, ...most } });
    const held = new HeldReply(begun.call.life);
    await filter(begun, () => Promise.resolve(held));
    held.end(end);
    // It has taken a token of four, and this failure takes another.
    const failing = tries.routed({ policy: { ...idempotent, ...most, retry: { attempts: 2 } } });
    let met = 0;
    const reply = filter(failing, ({ call }) => {
      met++;
      call.life.at = endpoints(1)[0]!;
      return refusal(unavailable.status);
    });
    await settled();
    tries.kit.pass(firstWait);
    await reply;
    expect(met).toBe(tried);
  });
});

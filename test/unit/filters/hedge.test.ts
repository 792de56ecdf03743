import { describe, expect, it } from 'vitest';
import { type Body, emptyBody } from '../../../sidecar/core/body.ts';
import type { PolicyWords } from '../../../sidecar/core/policy.ts';
import { refusal } from '../../../sidecar/core/reply.ts';
import { broken, Code, ended, ok } from '../../../sidecar/core/status.ts';
import { routedCall, settled, snapshot } from '../../support/calls.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { stillKit } from '../../support/kit.ts';
import { always } from '../../support/policies.ts';
import { hedged, hedgeOver, Raced } from '../../support/races.ts';
import { endpoints, failure, inventory } from '../../support/tries.ts';

keepsTheFilterContract('hedge', {
  make: (kit) => hedgeOver(kit, endpoints(3)),
  call: ({ clock }) => routedCall(clock, inventory),
  refused: {},
});

describe('a hedge', () => {
  it('begins at another endpoint when the first has not answered, and numbers the attempts', async () => {
    const race = new Raced(endpoints(4));
    await race.pass(45);
    expect(race.attempts).toHaveLength(1);
    await race.pass(10);
    expect(race.attempts).toHaveLength(2);
    await race.pass(500);
    expect(race.attempts).toHaveLength(3); // as the policy says, in all
    expect(new Set(race.attempts.map(({ endpoint }) => endpoint)).size).toBe(3);
    expect(race.attempts.map(({ attempt }) => attempt.previous)).toEqual([0, 1, 2]);
    expect(race.count('outrigger_retries_total', 'hedge')).toBe(2);
    expect(race.kit.wheel.size).toBe(0);
  });

  it.each<[string, PolicyWords]>([
    ['no policy says after how long', { idempotent: true }],
    ['the method must not be executed twice', { hedge: { after: 50 } }],
    ['nobody knows yet how long the method takes', { idempotent: true, hedge: { after: 'p95' } }],
  ])('control: never begins where %s', async (_, words) => {
    const race = new Raced(endpoints(3), { words });
    await race.pass(500);
    expect(race.attempts).toHaveLength(1);
    expect(race.kit.wheel.size).toBe(0);
  });

  it('begins after as long as nineteen of twenty calls took', async () => {
    const race = new Raced(endpoints(3), {
      words: { idempotent: true, hedge: { after: 'p95' } },
      slowMs: 40,
    });
    await race.pass(39);
    expect(race.attempts).toHaveLength(1);
    await race.pass(12); // what is remembered of times is an eighth too long at most
    expect(race.attempts).toHaveLength(2);
  });

  it('loses: the first answers, the other is reset, and nothing is held against its endpoint', async () => {
    const race = new Raced(endpoints(2));
    await race.pass(55);
    const [first, second] = race.attempts;
    const reply = first!.begin();
    await settled();
    expect(second!.cancelledBy).toMatchObject({
      code: Code.CANCELLED,
      message: 'another attempt answered first',
    });
    reply.end(ok);
    expect(await race.status).toBe(ok);
    expect(race.life.outcome).toBe(ok);
    expect(first!.endpoint.verdicts).toEqual(['success']);
    expect(second!.endpoint.verdicts).toEqual(['neutral']);
    expect([race.count('outrigger_hedges_won_total'), race.kit.wheel.size, race.commits]).toEqual([0, 0, 1]);
  });

  it('wins: the first is reset, and the call is said to be where it was answered', async () => {
    const race = new Raced(endpoints(2));
    await race.pass(55);
    const [first, second] = race.attempts;
    const reply = second!.begin();
    await settled();
    expect(first!.cancelledBy).toMatchObject({ code: Code.CANCELLED });
    expect(race.life.at).toBe(second!.endpoint);
    reply.end(ok);
    expect(await race.status).toBe(ok);
    expect(first!.endpoint.verdicts).toEqual(['neutral']);
    expect(second!.endpoint.verdicts).toEqual(['success']);
    expect(race.count('outrigger_hedges_won_total')).toBe(1);
  });

  it('is judged by how its reply ends, not by how it begins', async () => {
    const race = new Raced(endpoints(2));
    await race.pass(55);
    const lost = broken('connection lost', true);
    race.attempts[1]!.begin().end(lost);
    expect(await race.status).toBe(lost);
    expect(race.attempts[1]!.endpoint.verdicts).toEqual(['failure']);
  });

  it('waits for the attempts that run when one of them fails, and the next begins at once', async () => {
    const race = new Raced(endpoints(3));
    await race.pass(10);
    race.attempts[0]!.fail(failure());
    await settled();
    expect(race.attempts).toHaveLength(2);
    await race.pass(45);
    expect(race.attempts).toHaveLength(2); // 50 ms from then on
    await race.pass(10);
    expect(race.attempts).toHaveLength(3);
    race.attempts[1]!.fail(failure());
    await settled();
    race.attempts[2]!.begin().end(ok);
    expect(await race.status).toBe(ok);
  });

  it('answers with an error that no other attempt can better', async () => {
    const race = new Raced(endpoints(3));
    await race.pass(55);
    race.attempts[1]!.fail(failure(Code.NOT_FOUND));
    expect((await race.status).code).toBe(Code.NOT_FOUND);
    expect(race.attempts[0]!.cancelledBy).toMatchObject({ code: Code.CANCELLED });
  });

  it('answers with the last failure when all have failed', async () => {
    const race = new Raced(endpoints(3));
    for (const at of [0, 1, 2]) {
      race.attempts[at]!.fail(broken(`lost ${at}`, true));
      await race.pass(5);
    }
    expect(await race.status).toMatchObject({ code: Code.UNAVAILABLE, message: 'lost 2' });
    expect([race.attempts.length, race.kit.wheel.size, race.commits]).toEqual([3, 0, 1]);
  });

  it('does what a failed attempt says of trying again', async () => {
    const race = new Raced(endpoints(3));
    race.attempts[0]!.fail(failure(Code.UNAVAILABLE, '200'));
    await race.pass(195);
    expect(race.attempts).toHaveLength(1);
    await race.pass(10);
    expect(race.attempts).toHaveLength(2);
    race.attempts[1]!.fail(failure(Code.UNAVAILABLE, '-1'));
    expect((await race.status).code).toBe(Code.UNAVAILABLE);
  });

  it('lets those that run go on when one asks for no more', async () => {
    const race = new Raced(endpoints(3));
    await race.pass(55);
    race.attempts[1]!.fail(failure(Code.UNAVAILABLE, '-1'));
    await race.pass(200);
    expect([race.attempts.length, race.count('outrigger_retries_refused_total', 'pushback')]).toEqual([2, 1]);
    race.attempts[0]!.begin().end(ok);
    expect(await race.status).toBe(ok);
  });

  it('does not go where the first one is', async () => {
    const race = new Raced(endpoints(1));
    await race.pass(500);
    expect(race.attempts).toHaveLength(1);
  });

  it('waits before the only endpoint is met again after a failure', async () => {
    const race = new Raced(endpoints(1));
    race.attempts[0]!.fail(failure());
    await race.pass(20);
    expect(race.attempts).toHaveLength(1);
    await race.pass(10);
    race.attempts[1]!.begin().end(ok);
    expect(await race.status).toBe(ok);
  });

  it('begins beside another only when the whole request has come', async () => {
    let hasCome = false;
    const streaming: Body = { ...emptyBody, ended: false, branch: () => (hasCome ? emptyBody : null) };
    const race = new Raced(endpoints(3), { body: streaming });
    await race.pass(75);
    expect(race.attempts).toHaveLength(1);
    hasCome = true;
    await race.pass(20);
    expect(race.attempts).toHaveLength(1);
    await race.pass(10); // at the next time that it is looked
    expect(race.attempts).toHaveLength(2);
  });

  it('is given up when the request does not fit its recording', async () => {
    const race = new Raced(endpoints(3), { body: { ...emptyBody, replayable: false, branch: () => null } });
    await race.pass(75);
    expect([race.attempts.length, race.kit.wheel.size]).toEqual([1, 0]);
  });

  it('begins alone, after a failure, also while the request still comes', async () => {
    const race = new Raced(endpoints(3), { body: { ...emptyBody, ended: false, branch: () => null } });
    race.attempts[0]!.fail(failure());
    await settled();
    expect(race.attempts).toHaveLength(2);
    race.attempts[1]!.begin().end(ok);
    expect(await race.status).toBe(ok);
  });

  it('is bounded by the budget of the service, which counts the call once', async () => {
    const race = new Raced(endpoints(3), { words: { ...hedged, budget: { percent: 100, floor: 0 } } });
    await race.pass(500);
    expect(race.attempts).toHaveLength(2);
    expect(race.count('outrigger_retries_refused_total', 'budget')).toBe(1);
  });

  it('ends with the call: all attempts are told, with its status', async () => {
    const race = new Raced(endpoints(3));
    await race.pass(55);
    expect(race.life.doing).toBe('at 10.0.0.2:1 and at 10.0.0.3:1');
    const late = ended(Code.DEADLINE_EXCEEDED, 'late');
    race.life.cancel(late);
    expect(await race.status).toBe(late);
    expect(race.attempts.map(({ cancelledBy }) => cancelledBy)).toEqual([late, late]);
    await race.pass(500);
    expect([race.attempts.length, race.kit.wheel.size, race.commits]).toEqual([2, 0, 1]);
  });

  it('ends with the call also when its reply has begun', async () => {
    const race = new Raced(endpoints(2));
    await race.pass(55);
    const reply = race.attempts[1]!.begin();
    await settled();
    const gone = { code: Code.CANCELLED, message: 'gone', from: 'wire', reached: true } as const;
    race.life.cancel(gone);
    expect(reply.over).toBe(gone);
    expect(race.met.flatMap(({ verdicts }) => verdicts)).toEqual(['neutral', 'neutral']);
  });

  it('marks its calls, and leaves those of a marked call alone', () => {
    const { attempts, kit } = new Raced(endpoints(2));
    expect(attempts[0]!.attempt.call.baggage).toBe('outrigger.retry=1');
    const below = routedCall(kit.clock, inventory, { snapshot: snapshot({ policies: always(hedged) }) });
    const marked = { ...below, call: below.call.carrying('a=b,outrigger.retry=1') };
    const passed: unknown[] = [];
    void hedgeOver(kit, endpoints(2))(marked, (each) => {
      passed.push(each);
      return refusal(ok);
    });
    expect(passed).toEqual([marked]);
  });

  it('cleans up when something below is broken', async () => {
    const kit = stillKit();
    const filter = hedgeOver(kit, endpoints(3));
    const routed = routedCall(kit.clock, inventory, { snapshot: snapshot({ policies: always(hedged) }) });
    const bug = new Error('a bug below');
    await expect(filter(routed, () => Promise.reject(bug))).rejects.toBe(bug);
    const thrown = filter(routed, () => {
      throw bug;
    });
    await expect(thrown).rejects.toBe(bug);
    expect([kit.wheel.size, routed.call.life.doing]).toEqual([0, '']);
  });
});

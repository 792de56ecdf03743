import { describe, expect, it } from 'vitest';
import { Accounts } from '../../../sidecar/core/accounts.ts';
import type { Call } from '../../../sidecar/core/call.ts';
import { Life } from '../../../sidecar/core/life.ts';
import type { PolicyWords } from '../../../sidecar/core/policy.ts';
import { Code, ok } from '../../../sidecar/core/status.ts';
import { deadline } from '../../../sidecar/filters/deadline.ts';
import { Latencies } from '../../../sidecar/policies/latencies.ts';
import { answer, HeldReply, newCall, run, snapshot } from '../../support/calls.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { type StillKit, stillKit } from '../../support/kit.ts';
import { always } from '../../support/policies.ts';

const method = '/shop.Inventory/Get';
const on = snapshot({ policies: always({ doomed: { mode: 'on' } }) });

/** A filter that knows that calls take 200 ms, and has seen enough of them to refuse one. */
const slowMethod = (kit: StillKit) => {
  const latencies = new Latencies(kit.clock);
  for (let call = 0; call < 50; call++) latencies.of(method)!.record(200, kit.clock.now());
  const filter = deadline(kit, 'outbound', undefined, { latencies, accounts: new Accounts('web') });
  const call = (timeout: string, said = on) =>
    run<Call>(
      (each) => filter(each, () => answer()),
      newCall(kit.clock, { snapshot: said, words: { timeout } }),
    );
  return { latencies, filter, call };
};

const warm = async (call: (timeout: string) => Promise<unknown>): Promise<void> => {
  for (let at = 0; at < 10; at++) await call('10S');
};

const counted = (kit: StillKit) => [
  kit.meter.count('outrigger_doomed_total').value,
  kit.meter.count('outrigger_would_doom_total').value,
];

keepsTheFilterContract('deadline', {
  make: (kit) => slowMethod(kit).filter,
  call: ({ clock }) => newCall(clock, { words: { timeout: '1S' } }),
  refused: {},
});

describe('a call with less time left than half of the calls of its method took', () => {
  it('is refused at once where the policy says so, with both figures, and not as reached', async () => {
    const kit = stillKit();
    const { call } = slowMethod(kit);
    await warm(call);
    const status = await call('150m');
    expect(status).toMatchObject({ code: Code.DEADLINE_EXCEEDED, from: 'mesh', reached: false });
    expect(status.message).toMatch(
      /^the caller's sidecar: 150 ms are left, and half of the calls of \/shop\.Inventory\/Get take 2\d\d(\.\d+)? ms or more: it was not sent/,
    );
    expect(counted(kit)).toEqual([1, 0]);
    expect(kit.wheel.size).toBe(0);
  });

  it('is only counted otherwise, as long as nobody says so', async () => {
    const kit = stillKit();
    const { call } = slowMethod(kit);
    const unsaid = snapshot();
    for (let at = 0; at < 10; at++) await call('10S', unsaid);
    expect(await call('150m', unsaid)).toBe(ok);
    expect(counted(kit)).toEqual([0, 1]);
  });

  it('goes on and is not counted where it is off', async () => {
    const kit = stillKit();
    const { call } = slowMethod(kit);
    const off = snapshot({ policies: always({ doomed: { mode: 'off' } }) });
    for (let at = 0; at < 10; at++) expect(await call('10m', off)).toBe(ok);
    expect(counted(kit)).toEqual([0, 0]);
  });

  it('is known by the calls that went well', async () => {
    const kit = stillKit();
    const latencies = new Latencies(kit.clock);
    const filter = deadline(kit, 'outbound', undefined, { latencies, accounts: new Accounts('web') });
    for (let at = 0; at < 30; at++) {
      const life = new Life(kit.clock.now());
      const held = new HeldReply(life);
      const running = run<Call>(
        (each) => filter(each, () => Promise.resolve(held)),
        newCall(kit.clock, { life, words: { timeout: '1S' } }),
      );
      kit.pass(40);
      held.end(at < 25 ? ok : { ...ok, code: Code.INTERNAL });
      await running;
    }
    expect(latencies.quantile(method, 0.5)).toBeCloseTo(40, -1);
    expect(latencies.quantile('/shop.Inventory/Put', 0.5)).toBeNull();
  });
});

describe('a method that is known to be unary', () => {
  const deadlineOf = (words: PolicyWords, timeout = ''): number => {
    const kit = stillKit();
    let passed: Call | null = null;
    const said = snapshot({ policies: always(words) });
    void deadline(kit, 'outbound')(newCall(kit.clock, { snapshot: said, words: { timeout } }), (call) => {
      passed = call;
      return answer();
    });
    return passed!['deadlineAt'] - kit.clock.now();
  };

  it.each([
    [{ unary: true }, '', 15_000],
    [{ unary: true, 'unary-timeout': 2000 }, '', 2000],
    [{ unary: true, 'unary-timeout': null }, '', Number.POSITIVE_INFINITY],
    [{ unary: true, timeout: 500 }, '', 500], // what is said beats what stands in
    [{ unary: true }, '60S', 60_000], // the caller knows better
    [{}, '', Number.POSITIVE_INFINITY], // it may be a stream
  ] as const)('with %j and timeout %j has %i ms', (words, timeout, ms) => {
    expect(deadlineOf(words, timeout)).toBe(ms);
  });

  it('says whose the deadline was', async () => {
    const kit = stillKit();
    const said = snapshot({ policies: always({ unary: true }) });
    const running = run<Call>(
      (each) => deadline(kit, 'outbound')(each, ({ life }) => Promise.resolve(new HeldReply(life))),
      newCall(kit.clock, { snapshot: said }),
    );
    kit.pass(15_010);
    expect((await running).message).toContain(
      'the deadline of 15000 ms, which a policy sets (built-in unary-timeout), has passed',
    );
  });
});

describe('a call that takes long', () => {
  /** A call at a peer that says itself, or does not, that time is over. */
  const hang = (kit: StillKit, direction: 'outbound' | 'inbound', tells: boolean) => {
    const call = newCall(kit.clock, { words: { timeout: '100m' } });
    const accounts = new Accounts('web');
    const parts = direction === 'outbound' ? { latencies: new Latencies(kit.clock), accounts } : null;
    const held = Object.assign(new HeldReply(call.life), { tells });
    const running = run<Call>(
      (each) => deadline(kit, direction, undefined, parts)(each, () => Promise.resolve(held)),
      call,
    );
    return { call, held, running, accounts };
  };

  it('is slow from the half of its time, and remembered until it ends', () => {
    const kit = stillKit();
    const { call, held, accounts } = hang(kit, 'outbound', false);
    const asking = new Life(kit.clock.now());
    kit.pass(45);
    expect([call.life.isSlow, accounts.within(asking, kit.clock.now())]).toEqual([false, '']);
    kit.pass(10);
    expect([call.life.isSlow, accounts.within(asking, kit.clock.now())]).toEqual([
      true,
      'web>nobody;pick=55',
    ]);
    held.end(ok);
    expect(kit.wheel.size).toBe(0);
  });

  it('may be ended by a verified sidecar a moment after its deadline, and then says what that says', async () => {
    const kit = stillKit();
    const { call, held, running } = hang(kit, 'outbound', true);
    kit.pass(105);
    expect(call.life.outcome).toBeNull();
    const theirs = { code: Code.DEADLINE_EXCEEDED, message: 'theirs', from: 'peer', reached: true } as const;
    held.end(theirs);
    expect(await running).toBe(theirs);
    expect(kit.meter.count('outrigger_deadline_expired_total', 'outbound').value).toBe(1);
    expect(kit.wheel.size).toBe(0);
  });

  it('ends at most 15 ms after its deadline when nobody says anything', async () => {
    const kit = stillKit();
    const { running, call } = hang(kit, 'outbound', true);
    kit.pass(115);
    expect(call.life.outcome).toMatchObject({ code: Code.DEADLINE_EXCEEDED, from: 'mesh' });
    expect((await running).message).toContain('the deadline of 100 ms has passed');
    expect(kit.meter.count('outrigger_deadline_expired_total', 'outbound').value).toBe(1);
  });

  it.each([
    ['outbound', false], // nobody says more
    ['inbound', true], // its caller waits for us as it is
  ] as const)('has no such moment %s where the peer tells: %s', (direction, tells) => {
    const kit = stillKit();
    const { call } = hang(kit, direction, tells);
    kit.pass(100);
    expect(call.life.outcome).toMatchObject({ code: Code.DEADLINE_EXCEEDED, from: 'mesh' });
  });
});

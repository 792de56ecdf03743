import { describe, expect, it } from 'vitest';
import type { Call } from '../../../sidecar/core/call.ts';
import { Life } from '../../../sidecar/core/life.ts';
import { Code } from '../../../sidecar/core/status.ts';
import { deadline } from '../../../sidecar/filters/deadline.ts';
import { answer, type CallParts, HeldReply, newCall, run } from '../../support/calls.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { type StillKit, stillKit } from '../../support/kit.ts';

for (const timeout of ['', '100m'])
  keepsTheFilterContract('deadline', {
    make: (kit) => deadline(kit, 'outbound'),
    call: ({ clock }) => newCall(clock, { words: { timeout } }),
    refused: {
      'a malformed timeout': ({ clock }) => newCall(clock, { words: { timeout: '100' } }),
      'a call that comes too late': ({ clock }) => newCall(clock, { words: { timeout: '0n' } }),
    },
  });

/** A call under the filter whose reply never ends by itself. */
const hang = (kit: StillKit, parts: CallParts, filter = deadline(kit, 'outbound')) => {
  const call = newCall(kit.clock, parts);
  let passed: Call = call;
  const running = run<Call>(
    (each) =>
      filter(each, (next) => {
        passed = next;
        return Promise.resolve(new HeldReply(next.life));
      }),
    call,
  );
  return { call, running, passed };
};

const expired = (kit: StillKit) => kit.meter.count('outrigger_deadline_expired_total', 'outbound').value;

describe('deadline', () => {
  it('ends a call at its deadline, and says who decided and where the time went', async () => {
    const kit = stillKit();
    const { call, running } = hang(kit, { words: { timeout: '100m' } });
    kit.pass(95);
    expect(call.life.outcome).toBeNull();
    kit.pass(10);
    expect(await running).toEqual({
      code: Code.DEADLINE_EXCEEDED,
      message:
        "the caller's sidecar: the deadline of 100 ms has passed; when it ended the call was waiting for the rest of a held reply",
      from: 'mesh',
      reached: true,
    });
    expect(expired(kit)).toBe(1);
    expect(kit.wheel.size).toBe(0);
  });

  it('control: without it a call goes on, whatever its timeout says', () => {
    const kit = stillKit();
    const { call } = hang(kit, { words: { timeout: '100m' } }, (each, next) => next(each));
    kit.pass(600_000);
    expect(call.life.outcome).toBeNull();
    call.life.cancel({ code: Code.CANCELLED, message: '', from: 'wire', reached: true });
  });

  it('does nothing to a call that ends in time', async () => {
    const kit = stillKit();
    const status = await run(
      (call) => deadline(kit, 'outbound')(call, () => answer()),
      newCall(kit.clock, { words: { timeout: '100m' } }),
    );
    expect(kit.wheel.size).toBe(0);
    kit.pass(200);
    expect(status.code).toBe(Code.OK);
    expect(expired(kit)).toBe(0);
  });

  it('counts from the arrival of the header block, not from its own turn', async () => {
    const kit = stillKit();
    const arrivedAt = kit.clock.now();
    kit.pass(60);
    const { passed, running } = hang(kit, { arrivedAt, words: { timeout: '100m' } });
    expect(passed.deadlineAt).toBe(arrivedAt + 100);
    kit.pass(45);
    expect((await running).code).toBe(Code.DEADLINE_EXCEEDED);
  });

  it('refuses a call whose time was over before it came, without work', async () => {
    const kit = stillKit();
    const arrivedAt = kit.clock.now() - 50;
    const reply = await deadline(kit, 'inbound')(
      newCall(kit.clock, { arrivedAt, words: { timeout: '50m' } }),
      () => answer(),
    );
    expect(reply.over).toEqual({
      code: Code.DEADLINE_EXCEEDED,
      message: "the callee's sidecar: the deadline had passed when the call came (grpc-timeout 50m)",
      from: 'mesh',
      reached: false,
    });
    expect(kit.meter.count('outrigger_deadline_expired_total', 'inbound').value).toBe(1);
  });

  it.each(['m', '123456789m', '1.5S', '-1S', '+1S', ' 1S', '1s', '1 S', '0x1S', '1mm', '１S'])(
    'refuses the malformed grpc-timeout %j, naming what it must be',
    async (timeout) => {
      const kit = stillKit();
      const reply = await deadline(kit, 'outbound')(newCall(kit.clock, { words: { timeout } }), () =>
        answer(),
      );
      expect(reply.over!.code).toBe(Code.INTERNAL);
      expect(reply.over!.message).toContain('1 to 8 digits and one of H M S m u n');
    },
  );

  it('grants no more than the longest call', async () => {
    const kit = stillKit();
    const filter = deadline(kit, 'outbound', { longestCallMs: 1000, idleStreamMs: 300_000 });
    const { call, passed, running } = hang(kit, { words: { timeout: '99999999H' } }, filter);
    expect(passed.deadlineAt).toBe(kit.clock.now() + 1000);
    kit.pass(995);
    expect(call.life.outcome).toBeNull();
    kit.pass(10);
    expect((await running).message).toContain('the deadline of 1000 ms has passed');
  });

  it('sets no deadline for a call that has none', () => {
    const kit = stillKit();
    const { call, passed } = hang(kit, {});
    expect(passed.deadlineAt).toBe(Number.POSITIVE_INFINITY);
    call.life.cancel({ code: 1, message: '', from: 'wire', reached: true });
  });

  it('ends a stream that is silent for 5 minutes', async () => {
    const kit = stillKit();
    const { call, running } = hang(kit, {});
    kit.pass(299_990);
    expect(call.life.outcome).toBeNull();
    kit.pass(20);
    const status = await running;
    expect(status.code).toBe(Code.DEADLINE_EXCEEDED);
    expect(status.message).toContain('no deadline was set, and no byte went either way for 300000 ms');
  });

  it('leaves a stream alone that has bytes now and then', async () => {
    const kit = stillKit();
    const life = new Life(kit.clock.now());
    const { running } = hang(kit, { life });
    for (let minute = 0; minute < 12; minute++) {
      kit.pass(60_000);
      life.touchedAt = kit.clock.now();
    }
    expect(life.outcome).toBeNull();
    kit.pass(300_010);
    expect((await running).code).toBe(Code.DEADLINE_EXCEEDED);
  });
});

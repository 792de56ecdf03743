import { describe, expect, it } from 'vitest';
import type { Call } from '../../../sidecar/core/call.ts';
import type { PolicyWords } from '../../../sidecar/core/policy.ts';
import { Code } from '../../../sidecar/core/status.ts';
import { deadline } from '../../../sidecar/filters/deadline.ts';
import { answer, type CallParts, HeldReply, newCall, run, snapshot } from '../../support/calls.ts';
import { type StillKit, stillKit } from '../../support/kit.ts';
import { always } from '../../support/policies.ts';

/** A call under the filter whose reply never ends by itself, treated as `words` say. */
const hang = (
  kit: StillKit,
  words: PolicyWords,
  parts: CallParts = {},
  filter = deadline(kit, 'outbound'),
) => {
  const call = newCall(kit.clock, { snapshot: snapshot({ policies: always(words) }), ...parts });
  let passed: Call = call;
  const running = run<Call>(
    (each) =>
      filter(each, (next) => {
        passed = next;
        return Promise.resolve(new HeldReply(next.life));
      }),
    call,
  );
  return { call, passed, running };
};

const left = (kit: StillKit, words: PolicyWords, timeout: string): number => {
  const { passed, call } = hang(kit, words, { words: { timeout } });
  call.life.cancel({ code: Code.CANCELLED, message: '', from: 'wire', reached: true });
  return passed.deadlineAt - kit.clock.now();
};

describe("a policy's timeout", () => {
  it('is the deadline of a call that has none, and says whose it is', async () => {
    const kit = stillKit();
    const { call, passed, running } = hang(kit, { timeout: 250 });
    expect(passed.deadlineAt).toBe(kit.clock.now() + 250);
    kit.pass(245);
    expect(call.life.outcome).toBeNull();
    kit.pass(10);
    expect(await running).toMatchObject({
      code: Code.DEADLINE_EXCEEDED,
      message:
        "the caller's sidecar: the deadline of 250 ms, which a policy sets (file *), has passed; when it ended the call was waiting for the rest of a held reply",
    });
    expect(kit.wheel.size).toBe(0);
  });

  it('control: without one the call goes on', () => {
    const kit = stillKit();
    const { call } = hang(kit, {});
    kit.pass(299_000);
    expect(call.life.outcome).toBeNull();
    call.life.cancel({ code: Code.CANCELLED, message: '', from: 'wire', reached: true });
  });

  it.each([
    ['100m', 250, 100], // less is granted
    ['1S', 250, 250], // more is not
    ['250m', 250, 250],
    ['1S', null, 1000],
    ['', 172_800_000, 86_400_000], // never more than the longest call
  ] as const)('grants a caller that asks for %j under %s ms %i ms', (timeout, most, granted) => {
    expect(left(stillKit(), { timeout: most }, timeout)).toBe(granted);
  });

  it("is not blamed when the caller's own deadline was nearer", async () => {
    const kit = stillKit();
    const { running } = hang(kit, { timeout: 250 }, { words: { timeout: '100m' } });
    kit.pass(110);
    expect((await running).message).toContain('the deadline of 100 ms has passed');
  });

  it('refuses a call that has waited for longer before it came', async () => {
    const kit = stillKit();
    const arrivedAt = kit.clock.now() - 300;
    const said = snapshot({ policies: always({ timeout: 250 }) });
    const reply = await deadline(kit, 'outbound')(newCall(kit.clock, { arrivedAt, snapshot: said }), () =>
      answer(),
    );
    expect(reply.over).toMatchObject({
      code: Code.DEADLINE_EXCEEDED,
      message: "the caller's sidecar: the deadline had passed when the call came (timeout of 250 ms)",
    });
  });

  it('is not for calls that come in: their caller has judged them', () => {
    const kit = stillKit();
    const { call, passed } = hang(kit, { timeout: 250 }, {}, deadline(kit, 'inbound'));
    expect(passed.deadlineAt).toBe(Number.POSITIVE_INFINITY);
    call.life.cancel({ code: Code.CANCELLED, message: '', from: 'wire', reached: true });
  });
});

describe("a policy's idle-stream", () => {
  it('ends a silent call sooner, and none that comes in', async () => {
    const kit = stillKit();
    const inwards = hang(kit, { 'idle-stream': 1000 }, {}, deadline(kit, 'inbound'));
    const { running } = hang(kit, { 'idle-stream': 1000 });
    kit.pass(1010);
    expect((await running).message).toContain('no byte went either way for 1000 ms');
    expect(inwards.call.life.outcome).toBeNull();
    inwards.call.life.cancel({ code: Code.CANCELLED, message: '', from: 'wire', reached: true });
  });
});

import { describe, expect, it } from 'vitest';
import { type Reply, refusal } from '../../../sidecar/core/reply.ts';
import { broken, Code, ended, ok, refused, type Status } from '../../../sidecar/core/status.ts';
import { balance } from '../../../sidecar/filters/balance.ts';
import {
  answer,
  FakeEndpoint,
  HeldReply,
  notingBody,
  routedCall,
  run,
  settled,
} from '../../support/calls.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { stillKit } from '../../support/kit.ts';
import { endpoints, inventory, retryAlone, Tries, type Trying } from '../../support/tries.ts';

keepsTheFilterContract('retry', {
  make: (kit) => retryAlone(kit, [new FakeEndpoint()]),
  call: ({ clock }) => routedCall(clock, inventory),
  refused: {},
  repeats: true,
});

const unreached = broken('connection refused', false);

/** One call over these endpoints; see `Tries`. */
const setUp = (met: FakeEndpoint[], answers: Status[], trying: Trying = {}) => {
  const tries = new Tries(met, answers);
  const routed = tries.routed(trying);
  return { ...tries, tries, routed, status: run(tries.serve, routed) };
};

const three = () => endpoints(3);

describe('retry', () => {
  it('meets another endpoint each time, without a wait, and numbers the attempts', async () => {
    const { status, met, previous, tries } = setUp(three(), [unreached, unreached, ok]);
    expect(await status).toBe(ok);
    expect(new Set(met).size).toBe(3);
    expect(previous).toEqual([0, 1, 2]);
    expect(tries.made('transparent')).toBe(2);
  });

  it('gives up after two further tries', async () => {
    const { status, met, tries, body } = setUp(endpoints(5), [unreached]);
    expect(await status).toBe(unreached);
    expect(new Set(met).size).toBe(3); // though two more are there
    expect(met).toHaveLength(3);
    expect(tries.made('transparent')).toBe(2);
    expect(body.commits).toBe(1);
  });

  it.each([
    [1, 1],
    [2, 2],
    [5, 5],
    [9, 5], // no policy gets more
  ])('makes %i attempts where the policy says so: %i', async (attempts, made) => {
    const { status, met, body } = setUp(endpoints(6), [unreached], { policy: { retry: { attempts } } });
    expect(await status).toBe(unreached);
    expect(met).toHaveLength(made);
    expect(body.commits).toBe(1);
  });

  it.each<[string, Status]>([
    ['was reached', broken('connection lost', true)],
    ['was refused by a rule', refused(Code.PERMISSION_DENIED, 'no')],
    ['is full', refused(Code.RESOURCE_EXHAUSTED, 'full')],
    ['ran out of time', ended(Code.DEADLINE_EXCEEDED, 'late')],
    ['went well', ok],
    ['was answered UNAVAILABLE by the app itself', { ...unreached, from: 'peer', reached: true }],
  ])('does not repeat what %s', async (_, status) => {
    const result = setUp(three(), [status]);
    expect(await result.status).toBe(status);
    expect(result.met).toHaveLength(1);
    expect(result.body.commits).toBe(1);
  });

  it('does not repeat what has a head: its caller has seen the reply begin', async () => {
    const kit = stillKit();
    let tries = 0;
    const begun = { ...(await refusal(unreached)), head: ['content-type', 'application/grpc'] };
    const reply = await retryAlone(kit, three())(routedCall(kit.clock, inventory), async ({ call }) => {
      tries++;
      call.life.at = three()[0]!;
      return begun;
    });
    expect(reply).toBe(begun);
    expect(tries).toBe(1);
  });

  it('does not repeat a call whose bytes are no longer all recorded', async () => {
    const { status, met } = setUp(three(), [unreached, ok], { body: notingBody(false) });
    expect(await status).toBe(unreached);
    expect(met).toHaveLength(1);
  });

  it('commits the body when the reply begins, not before', async () => {
    const kit = stillKit();
    const body = notingBody();
    const routed = routedCall(kit.clock, inventory, { body });
    let begin!: (reply: Reply) => void;
    const pending = retryAlone(kit, three())(routed, () => new Promise((resolve) => (begin = resolve)));
    await settled();
    expect(body.commits).toBe(0);
    const held = new HeldReply(routed.call.life);
    begin(held);
    expect(await pending).toBe(held);
    expect(body.commits).toBe(1);
    held.end(ok);
  });

  it('waits a little before it meets the same endpoint again', async () => {
    const { status, met, kit } = setUp([new FakeEndpoint()], [unreached, unreached, ok]);
    await settled();
    expect(met).toHaveLength(1);
    kit.pass(30); // 25 ms
    await settled();
    expect(met).toHaveLength(2);
    kit.pass(30);
    await settled();
    expect(met).toHaveLength(2); // 50 ms
    kit.pass(25);
    expect(await status).toBe(ok);
    expect(met).toHaveLength(3);
    expect(kit.wheel.size).toBe(0);
  });

  it.each([
    ['whose gate is shut', true],
    ['which cannot be reached', false],
  ])('waits before it meets the same endpoint again, also beside one %s', async (_, reachable) => {
    const [one, other] = three() as [FakeEndpoint, FakeEndpoint];
    Object.assign(other, { available: false, reachable });
    const { met, kit, status } = setUp([one, other], [unreached, unreached, ok]);
    await settled();
    expect(met).toEqual(['10.0.0.1:1']);
    kit.pass(30); // 25 ms
    await settled();
    expect(met).toEqual(['10.0.0.1:1', '10.0.0.1:1']);
    kit.pass(55);
    expect(await status).toBe(ok);
  });

  it('control: goes on without a wait when both are shut, for the other one is no worse', async () => {
    const [one, other] = three() as [FakeEndpoint, FakeEndpoint];
    one.available = other.available = false;
    const { met, kit } = setUp([one, other], [unreached]);
    await settled();
    expect(met).toEqual(['10.0.0.1:1', '10.0.0.2:1']);
    kit.pass(30);
    await settled();
    expect(met).toHaveLength(3);
  });

  it('does not wait past the deadline', async () => {
    const kit = stillKit();
    const only = [new FakeEndpoint()];
    const routed = routedCall(kit.clock, inventory);
    const hasty = { ...routed, call: routed.call.until(kit.clock.now() + 20) };
    let tries = 0;
    const filter = retryAlone(kit, only);
    const status = await run(
      (each) =>
        filter(each, ({ call }) => {
          tries++;
          call.life.at = only[0]!;
          return answer(unreached);
        }),
      hasty,
    );
    expect(status).toBe(unreached);
    expect(tries).toBe(1);
    expect(kit.wheel.size).toBe(0);
  });

  it('control: with time for one wait it tries once more', async () => {
    const { status, met, kit } = setUp([new FakeEndpoint()], [unreached], { grantedMs: 60 });
    await settled();
    kit.pass(30); // 25 ms; 50 more would be too late
    expect(await status).toBe(unreached);
    expect(met).toHaveLength(2);
    expect(kit.wheel.size).toBe(0);
  });

  it('settles a call that is cancelled while it waits, and tries no more', async () => {
    const { status, met, kit, routed, body } = setUp([new FakeEndpoint()], [unreached]);
    await settled();
    expect(routed.call.life.doing).toBe("waiting to try service 'inventory' again");
    const gone = { code: Code.CANCELLED, message: 'gone', from: 'wire', reached: true } as const;
    routed.call.life.cancel(gone);
    expect(await status).toBe(gone);
    expect(kit.wheel.size).toBe(0);
    kit.pass(500);
    await settled();
    expect(met).toHaveLength(1);
    expect(kit.wheel.size).toBe(0);
    expect(body.commits).toBe(1);
  });

  it('control: without it the refused connection is what the caller sees', async () => {
    const kit = stillKit();
    const balanced = balance(kit, three);
    const status = await run(
      (each) => balanced(each, () => answer(unreached)),
      routedCall(kit.clock, inventory),
    );
    expect(status).toBe(unreached);
  });
});

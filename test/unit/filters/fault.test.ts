import { describe, expect, it } from 'vitest';
import type { Fault } from '../../../sidecar/core/policy.ts';
import { Code, ok, type Status } from '../../../sidecar/core/status.ts';
import { fault } from '../../../sidecar/filters/fault.ts';
import { readFault, writeFault } from '../../../sidecar/policies/fault-words.ts';
import { answer, newCall, run, snapshot } from '../../support/calls.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { type StillKit, stillKit } from '../../support/kit.ts';
import { always } from '../../support/policies.ts';

const enabled = { policies: true, from: ['tester'] };
const leaving = (kit: StillKit, ...faults: Fault[]) => {
  const snap = snapshot({ policies: always({ faults }) });
  return newCall(kit.clock, { snapshot: snap }).governed(snap.policies.any.all);
};
const coming = (kit: StillKit, said: string, caller = 'tester') =>
  newCall(kit.clock, { caller, words: { fault: said } });

keepsTheFilterContract('fault', {
  make: (kit) => fault(kit, 'outbound', enabled),
  call: (kit) => leaving(kit),
  refused: {},
});

describe('faults of a policy', () => {
  const suffer = async (one: Fault, chance = 0.5, settings = enabled): Promise<Status> => {
    const kit = { ...stillKit(), random: () => chance };
    return run((call) => fault(kit, 'outbound', settings)(call, () => answer()), leaving(stillKit(), one));
  };

  it('are for a share of the calls', async () => {
    const one = { percent: 10, abort: Code.UNAVAILABLE } as const;
    expect((await suffer(one, 0.0999)).code).toBe(Code.UNAVAILABLE);
    expect((await suffer(one, 0.1)).code).toBe(Code.OK);
  });

  it('do not act where the file does not enable them', async () => {
    expect(await suffer({ percent: 100, abort: Code.ABORTED }, 0, { policies: false, from: [] })).toBe(ok);
  });

  it('say what they are, as a peer that has seen the call', async () => {
    expect(await suffer({ percent: 100, abort: Code.ABORTED })).toEqual({
      code: Code.ABORTED,
      message: 'a fault made on purpose (abort=ABORTED)',
      from: 'mesh',
      reached: true,
    });
    expect(await suffer({ percent: 100, abort: 'reset' })).toMatchObject({ isReset: true });
  });

  it('let a call wait, and go on', async () => {
    const kit = stillKit();
    let passed = false;
    const over = run(
      (call) =>
        fault(
          kit,
          'outbound',
          enabled,
        )(call, () => {
          passed = true;
          return answer();
        }),
      leaving(kit, { percent: 100, delay: 200 }),
    );
    kit.pass(195);
    await Promise.resolve();
    expect(passed).toBe(false);
    kit.pass(10);
    expect((await over).code).toBe(Code.OK);
    expect(kit.meter.count('outrigger_faults_total', 'outbound', 'delay').value).toBe(1);
  });

  it('are silent until the call is cancelled, and leave nothing behind', async () => {
    const kit = stillKit();
    const call = leaving(kit, { percent: 100, abort: 'drop' });
    const over = run((each) => fault(kit, 'outbound', enabled)(each, () => answer()), call);
    kit.pass(60_000);
    expect(call.life.doing).toBe('in a fault made on purpose (abort=drop)');
    call.life.cancel({ code: Code.DEADLINE_EXCEEDED, message: 'late', from: 'mesh', reached: true });
    expect((await over).code).toBe(Code.DEADLINE_EXCEEDED);
    expect(kit.wheel.size).toBe(0);
  });
});

describe('a fault for one request', () => {
  const meet = async (said: string, caller?: string): Promise<{ code: number; refused: number }> => {
    const kit = stillKit();
    const { code } = await run(
      (call) => fault(kit, 'inbound', enabled)(call, () => answer()),
      coming(kit, said, caller),
    );
    return { code, refused: kit.meter.count('outrigger_faults_refused_total', caller ?? 'tester').value };
  };

  it('acts for a caller that may make faults', async () => {
    expect(await meet('abort=DATA_LOSS')).toEqual({ code: Code.DATA_LOSS, refused: 0 });
  });

  it('is passed over and counted for others, and in odd words', async () => {
    expect(await meet('abort=DATA_LOSS', 'web')).toEqual({ code: Code.OK, refused: 1 });
    expect(await meet('abort=SOON')).toEqual({ code: Code.OK, refused: 1 });
  });

  it.each<[string, Fault | null]>([
    ['delay=100ms, abort=UNAVAILABLE', { percent: 100, delay: 100, abort: Code.UNAVAILABLE }],
    ['abort=reset', { percent: 100, delay: undefined, abort: 'reset' }],
    ['delay=2s', { percent: 100, delay: 2000, abort: undefined }],
    ['delay=9999999s', { percent: 100, delay: 3_600_000, abort: undefined }],
    ['abort=OK', null],
    ['abort=__proto__', null],
    ['delay=1ms,delay=2ms', null],
    ['delay=-1ms', null],
    ['', null],
  ])('is read: %s', (text, read) => {
    expect(readFault(text)).toEqual(read);
    if (read !== null) expect(readFault(writeFault(read))).toEqual(read);
  });
});

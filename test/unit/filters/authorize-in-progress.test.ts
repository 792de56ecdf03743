import { describe, expect, it } from 'vitest';
import { emptyBody } from '../../../sidecar/core/body.ts';
import type { Call } from '../../../sidecar/core/call.ts';
import { Cell } from '../../../sidecar/core/cell.ts';
import { Refusals } from '../../../sidecar/core/refusals.ts';
import type { Intention, Snapshot } from '../../../sidecar/core/snapshot.ts';
import { Code, ok } from '../../../sidecar/core/status.ts';
import { authorize } from '../../../sidecar/filters/authorize.ts';
import { newCall, snapshot } from '../../support/calls.ts';
import { stillKit } from '../../support/kit.ts';

const saying = (...intentions: Intention[]): Snapshot =>
  snapshot({ access: { intentions, allowByDefault: true, because: 'the test says so' } });

const rule = (allow: boolean): Intention => ({ from: 'web', to: 'inventory', allow });

/** A filter that judges again, and calls in progress that are in the test's hand. */
const table = (audit = false) => {
  const kit = stillKit();
  const snapshots = new Cell(saying());
  const open: Call[] = [];
  const refusals = new Refusals();
  let asked = 0;
  const calls = (): readonly Call[] => {
    asked++;
    return open.filter(({ life }) => life.outcome === null);
  };
  authorize(kit, {
    service: 'inventory',
    anonymous: false,
    audit,
    refusals,
    inProgress: { snapshots, calls },
  });
  return {
    kit,
    refusals,
    asked: () => asked,
    /** How often `web` was refused, by the metrics. */
    denied: (name: 'denied' | 'would_deny' = 'denied') =>
      kit.meter.count(`outrigger_${name}_total`, 'web').value,
    say: (...intentions: Intention[]) => snapshots.set(saying(...intentions)),
    repeat: () => snapshots.set(snapshot({ access: snapshots.value.access })),
    /** A call that was let in; `whole`: all of its request has come. */
    begin: ({ caller = 'web', whole = false, reached = true } = {}): Call => {
      const call = newCall(kit.clock, {
        caller,
        snapshot: snapshots.value,
        body: { ...emptyBody, ended: whole },
      });
      call.life.wait({ cancelled: () => {}, call, reached });
      open.push(call);
      return call;
    },
  };
};

describe('a call in progress, when the access rules change', () => {
  it('ends when it would not be let in now, and is counted as the refused are', () => {
    const { begin, say, denied, refusals } = table();
    const [web, orders] = [begin(), begin({ caller: 'orders' })];
    say(rule(false));
    const message =
      "'web' may not call 'inventory': the intention 'web' to 'inventory' denies; the call was in progress when that changed";
    expect(web.life.outcome).toEqual({
      code: Code.PERMISSION_DENIED,
      message,
      from: 'mesh',
      reached: true,
    });
    expect(orders.life.outcome).toBeNull();
    expect(denied()).toBe(1);
    expect(refusals.list()).toMatchObject([{ caller: 'web', calls: 1 }]);
  });

  it('may be tried elsewhere when no app has seen it', () => {
    const { begin, say } = table();
    const waiting = begin({ reached: false, whole: true });
    say(rule(false));
    expect(waiting.life.outcome).toMatchObject({ code: Code.PERMISSION_DENIED, reached: false });
  });

  it('is not looked for when something else has changed', () => {
    const { repeat, say, asked } = table();
    repeat();
    expect(asked()).toBe(0);
    say(rule(true));
    expect(asked()).toBe(1);
  });

  it('goes on where rules are only watched, and is told of', () => {
    const { begin, say, denied, refusals, kit } = table(true);
    const [stream, unary] = [begin(), begin({ whole: true })];
    say(rule(false));
    expect([stream.life.outcome, unary.life.outcome]).toEqual([null, null]);
    expect([denied(), denied('would_deny')]).toEqual([0, 2]);
    expect(refusals.list()).toMatchObject([{ caller: 'web', calls: 2 }]);
    expect(kit.wheel.size).toBe(0);
  });
});

describe('a call that may be unary', () => {
  it('has time to finish, and is then nobody that was refused', () => {
    const { begin, say, denied, kit } = table();
    const unary = begin({ whole: true });
    say(rule(false));
    kit.pass(4900);
    unary.life.settle(ok);
    kit.pass(200);
    expect([unary.life.outcome, denied(), kit.wheel.size]).toEqual([ok, 0, 0]);
  });

  it('ends after five seconds, whatever changes meanwhile', () => {
    const { begin, say, denied, kit } = table();
    const unary = begin({ whole: true });
    for (let at = 0; at < 4; at++) {
      say(rule(false));
      kit.pass(1200);
    }
    expect(unary.life.outcome).toBeNull();
    kit.pass(300);
    expect(unary.life.outcome).toMatchObject({ code: Code.PERMISSION_DENIED, reached: true });
    expect(denied()).toBe(1);
  });

  it('goes on when it is let in again', () => {
    const { begin, say, denied, kit } = table();
    const unary = begin({ whole: true });
    say(rule(false));
    say(rule(true));
    kit.pass(6000);
    expect([unary.life.outcome, denied()]).toEqual([null, 0]);
  });

  it('is a stream once its answer has begun', () => {
    const { begin, say } = table();
    const stream = begin({ whole: true });
    stream.life.responseBytes = 5;
    say(rule(false));
    expect(stream.life.outcome).toMatchObject({ code: Code.PERMISSION_DENIED });
  });
});

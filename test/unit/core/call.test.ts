import { describe, expect, it } from 'vitest';
import { emptyBody } from '../../../sidecar/core/body.ts';
import { Call } from '../../../sidecar/core/call.ts';
import { Life } from '../../../sidecar/core/life.ts';
import { stack } from '../../../sidecar/core/stack.ts';
import { answer, newCall, run, snapshot } from '../../support/calls.ts';
import { stillKit } from '../../support/kit.ts';

describe('a call', () => {
  it('is derived, never written to, and keeps its life, body and all earlier facts', () => {
    const { clock } = stillKit();
    const call = Object.freeze(newCall(clock));
    const later = snapshot({ version: 9 });
    const derived = call.identified('id', 'tp', 'ts', 'b=1').until(5000).carrying('b=2').under(later);
    expect(derived).toMatchObject({
      id: 'id',
      traceparent: 'tp',
      tracestate: 'ts',
      baggage: 'b=2',
      deadlineAt: 5000,
      snapshot: later,
    });
    expect([derived.life, derived.body, derived.arrival]).toEqual([call.life, call.body, call.arrival]);
    expect([call.id, call.deadlineAt, call.snapshot.version]).toEqual(['', Number.POSITIVE_INFINITY, 1]);
  });

  it('has a life and bytes of its own as one of several attempts, through all further derivations', () => {
    const { clock } = stillKit();
    const call = newCall(clock);
    const life = new Life(clock.now());
    const body = { ...emptyBody };
    const apart = call.apart(life, body).until(5000).carrying('b=2');
    expect([apart.life, apart.body]).toEqual([life, body]);
    expect(apart.life).toBe(life);
    expect(call.life).not.toBe(life);
  });

  it('has the same shape however it was derived', () => {
    const { clock } = stillKit();
    const call = newCall(clock);
    const keys = (each: Call) => Object.keys(each).join();
    for (const derived of [
      call.until(1),
      call.carrying(''),
      call.identified('', '', '', ''),
      call.under(call.snapshot),
      call.apart(call.life, call.body),
    ]) {
      expect(derived).toBeInstanceOf(Call);
      expect(keys(derived)).toBe(keys(call));
    }
  });
});

describe('a stack', () => {
  it('lets the first added meet the call first, and the reply last', async () => {
    const log: string[] = [];
    const filter = (name: string) =>
      Object.defineProperty(
        async (call: Call, next: (call: Call) => ReturnType<typeof answer>) => {
          log.push(`${name} in`);
          const reply = await next(call);
          log.push(`${name} out`);
          return reply;
        },
        'name',
        { value: name },
      );
    const two = stack<Call>().use(filter('outer')).use(filter('inner'));
    expect(two.names).toEqual(['outer', 'inner']);
    await run(
      two.to(() => answer()),
      newCall(stillKit().clock),
    );
    expect(log).toEqual(['outer in', 'inner in', 'inner out', 'outer out']);
  });
});

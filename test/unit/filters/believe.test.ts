import { describe, expect, it } from 'vitest';
import type { Call } from '../../../sidecar/core/call.ts';
import { FlagTrees } from '../../../sidecar/core/flag-trees.ts';
import { type BelieveSettings, believe } from '../../../sidecar/filters/believe.ts';
import { correlate } from '../../../sidecar/filters/correlate.ts';
import { answer, newCall } from '../../support/calls.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { stillKit } from '../../support/kit.ts';

const everybody: BelieveSettings = { deciders: null, testers: [] };
const webDecides: BelieveSettings = { deciders: ['web'], testers: [] };
const gatewayTests: BelieveSettings = { deciders: null, testers: ['gateway'] };

for (const settings of [everybody, webDecides, gatewayTests])
  keepsTheFilterContract('believe', {
    make: (kit) => believe(kit, settings),
    call: ({ clock }) => newCall(clock),
    refused: {},
  });

/** What the app behind sees of a call with this baggage. */
const seen = (
  settings: BelieveSettings,
  { caller = 'orders', baggage = '', flags = '', id = 'tree-1' },
  { kit = stillKit(), trees = new FlagTrees(kit.clock) } = {},
) => {
  let below = '';
  const filter = believe(kit, settings, trees);
  // As in the stack, where the way in counts a hop, but without it.
  correlate(kit, 'outbound')(
    newCall(kit.clock, { caller, words: { baggage, flags, requestId: id } }),
    (call: Call) =>
      filter(call, (next) => {
        below = next.baggage;
        return answer();
      }),
  );
  const refused = (reason: string) =>
    kit.meter.count('outrigger_flags_refused_total', caller || 'anonymous', reason).value;
  return { below, refused, trees };
};

describe('flags of a caller that may not decide', () => {
  it('are taken out, and the rest of its baggage stays', () => {
    const { below, refused } = seen(webDecides, { baggage: 'user=7,ff.express=on, ff.tax = v2;p=1,b=2' });
    expect(below).toBe('user=7,b=2');
    expect(refused('decider')).toBe(1);
  });

  it('control: pass where nobody says who decides', () => {
    const { below, refused } = seen(everybody, { baggage: 'user=7,ff.express=on' });
    expect([below, refused('decider')]).toEqual(['user=7,ff.express=on', 0]);
  });

  it('pass when a decider decided them, which its sidecar vouches for', () => {
    const baggage = 'outrigger.flags=3f9a01bc.web,ff.express=on';
    expect(seen(webDecides, { baggage }).below).toBe(baggage);
    expect(seen(webDecides, { baggage: baggage.replace('web', 'orders') }).below).toBe('');
  });

  it('are taken out of what nobody proves to have sent, whatever name stands in the mark', () => {
    const baggage = 'outrigger.flags=3f9a01bc.web,ff.express=on';
    expect(seen(webDecides, { baggage, caller: '' }).below).toBe('');
  });

  it('pass of a decider itself, marked or not', () => {
    const { below, refused } = seen(webDecides, { caller: 'web', baggage: 'ff.express=on' });
    expect([below, refused('decider')]).toEqual(['ff.express=on', 0]);
  });
});

describe('what a tester asks for', () => {
  it('takes the place of what was decided', () => {
    const { below, refused } = seen(gatewayTests, {
      caller: 'gateway',
      baggage: 'user=7,outrigger.flags=3f9a01bc.web,ff.express=off,ff.tax=v1',
      flags: 'express=on, beta=v2',
    });
    expect(below).toBe('user=7,outrigger.flags=3f9a01bc.web,ff.express=on,ff.beta=v2,ff.tax=v1');
    expect(refused('tester')).toBe(0);
  });

  it('is ignored and counted of anybody else', () => {
    for (const caller of ['orders', '']) {
      const { below, refused } = seen(gatewayTests, { caller, baggage: 'user=7', flags: 'express=on' });
      expect([below, refused('tester')]).toEqual(['user=7', 1]);
    }
  });

  it('is no offence where its own sidecar has done it already', () => {
    const baggage = 'outrigger.flags=3f9a01bc.web,ff.express=on';
    const { below, refused } = seen(gatewayTests, { caller: 'web', baggage, flags: 'express=on' });
    expect([below, refused('tester')]).toEqual([baggage, 0]);
  });

  it('must be readable', () => {
    for (const flags of ['express', 'a=b=c', 'a b=c', Array(33).fill('a=b').join(',')]) {
      const { below, refused } = seen(gatewayTests, { caller: 'gateway', flags });
      expect([below, refused('malformed')]).toEqual(['', 1]);
    }
  });
});

describe('a call tree that came in', () => {
  it('is remembered by its id, when it is marked', () => {
    const { trees } = seen(everybody, { baggage: 'user=7,outrigger.flags=3f9a01bc.web,ff.express=on' });
    expect(trees.of('tree-1')).toBe('outrigger.flags=3f9a01bc.web,ff.express=on');
    expect(seen(everybody, { baggage: 'ff.express=on' }).trees.of('tree-1')).toBeUndefined();
    expect(seen(webDecides, { baggage: 'outrigger.flags=1.orders' }).trees.of('tree-1')).toBeUndefined();
  });

  it('is forgotten after two minutes, and before 8,192 others at the latest', () => {
    const kit = stillKit();
    const trees = new FlagTrees(kit.clock);
    trees.note('a', 'ff.x=1');
    kit.clock.set(kit.clock.now() + 59_999);
    expect(trees.of('a')).toBe('ff.x=1');
    kit.clock.set(kit.clock.now() + 59_000);
    expect(trees.of('a')).toBe('ff.x=1');
    kit.clock.set(kit.clock.now() + 60_000);
    expect(trees.of('a')).toBeUndefined();
    trees.note('b', 'ff.x=1');
    for (let at = 0; at < 4096; at++) trees.note(`c${at}`, '');
    expect(trees.of('b')).toBe('ff.x=1');
    for (let at = 0; at < 4096; at++) trees.note(`d${at}`, '');
    expect(trees.of('b')).toBeUndefined();
    // Nor do long ones fill the memory: 4 Mi characters are a generation too.
    trees.note('e', 'ff.x=1');
    for (let at = 0; at < 1025; at++) trees.note(`f${at}`, 'x'.repeat(8192));
    expect(trees.of('e')).toBeUndefined();
  });
});

import { describe, expect, it } from 'vitest';
import type { Call } from '../../../sidecar/core/call.ts';
import { correlate } from '../../../sidecar/filters/correlate.ts';
import { flags } from '../../../sidecar/filters/flags.ts';
import { answer, newCall, snapshot } from '../../support/calls.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { stillKit } from '../../support/kit.ts';
import { always } from '../../support/policies.ts';

const flagged = (...entries: [string, string][]) =>
  snapshot({ policies: always({ flags: Object.fromEntries(entries) }) });

for (const said of [snapshot(), flagged(['express', 'on'])])
  keepsTheFilterContract('flags', {
    make: flags,
    call: ({ clock }) => newCall(clock, { snapshot: said }),
    refused: {},
  });

/** The baggage of a call below `flags`. */
const baggageBelow = (baggage: string, said = flagged(['express', 'on']), kit = stillKit()): string => {
  let below = '';
  const filter = flags(kit);
  correlate(kit, 'outbound')(newCall(kit.clock, { snapshot: said, words: { baggage } }), (call: Call) =>
    filter(call, (next) => {
      below = next.baggage;
      return answer();
    }),
  );
  return below;
};

describe('flags', () => {
  it('writes the flags of the mesh into the baggage', () => {
    expect(baggageBelow('', flagged(['express', 'on'], ['tax', 'v 2']))).toBe('ff.express=on,ff.tax=v%202');
  });

  it('adds them behind what the caller carries', () => {
    expect(baggageBelow('user=7')).toBe('user=7,ff.express=on');
  });

  it('leaves the decision to the first hop', () => {
    expect(baggageBelow('ff.express=off')).toBe('ff.express=off');
    expect(baggageBelow('user=7, ff.express = off;p=1')).toBe('user=7, ff.express = off;p=1');
  });

  it('is not fooled by names that only look alike', () => {
    expect(baggageBelow('xff.express=1,ff.expression=2,a=ff.express')).toBe(
      'xff.express=1,ff.expression=2,a=ff.express,ff.express=on',
    );
  });

  it('passes the very same call when there are no flags', () => {
    const kit = stillKit();
    const call = newCall(kit.clock, { snapshot: snapshot() });
    let passed: Call | null = null;
    flags(kit)(call, (next) => {
      passed = next;
      return answer();
    });
    expect(passed).toBe(call);
  });

  it('gives up the flags rather than the limits of baggage, and counts it', () => {
    const kit = stillKit();
    const full = Array.from({ length: 64 }, (_, at) => `m${at}=1`).join(',');
    expect(baggageBelow(full, flagged(['express', 'on']), kit)).toBe(full);
    expect(kit.meter.count('outrigger_flags_dropped_total').value).toBe(1);
    const room = full.slice(full.indexOf(',') + 1); // control: where there is room for one, it is written
    expect(baggageBelow(room, flagged(['express', 'on']), kit)).toBe(`${room},ff.express=on`);
    expect(kit.meter.count('outrigger_flags_dropped_total').value).toBe(1);
  });

  it('follows the snapshot of each call', () => {
    const kit = stillKit();
    const filter = flags(kit);
    const seen: string[] = [];
    for (const said of [flagged(['express', 'on']), flagged(['express', 'off'])])
      filter(newCall(kit.clock, { snapshot: said }), (call) => {
        seen.push(call.baggage);
        return answer();
      });
    expect(seen).toEqual(['ff.express=on', 'ff.express=off']);
  });
});

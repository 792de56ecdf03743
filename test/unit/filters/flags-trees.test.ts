import { describe, expect, it } from 'vitest';
import type { Call } from '../../../sidecar/core/call.ts';
import type { FlagSet } from '../../../sidecar/core/flag-set.ts';
import { FlagTrees } from '../../../sidecar/core/flag-trees.ts';
import { Code, ended, ok, type Status } from '../../../sidecar/core/status.ts';
import { correlate } from '../../../sidecar/filters/correlate.ts';
import { type FlagsSettings, flags } from '../../../sidecar/filters/flags.ts';
import { writeMetrics } from '../../../sidecar/telemetry/prometheus.ts';
import { answer, newCall, run, snapshot } from '../../support/calls.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { flagSet, onOff } from '../../support/flag-sets.ts';
import { stillKit } from '../../support/kit.ts';
import { always } from '../../support/policies.ts';

const byUser = onOff({ targeting: { if: [{ '==': [{ var: 'targetingKey' }, 'anna'] }, 'on'] } });
const fixed = await flagSet({ express: onOff(), tax: onOff({ defaultVariant: 'on' }) });
const targeted = await flagSet({ express: onOff(), beta: byUser });

for (const set of [fixed, targeted])
  keepsTheFilterContract('flags', {
    make: (kit) => flags(kit),
    call: ({ clock }) => newCall(clock, { snapshot: snapshot({ flagSet: set }) }),
    refused: {},
  });

const web: FlagsSettings = { service: 'web', decides: false, tests: false, targetingKey: null };

/** A sidecar's way out: what leaves it for each call. */
const wayOut = (settings: Partial<FlagsSettings> = {}, policy: Record<string, string> = {}) => {
  const kit = stillKit();
  const trees = new FlagTrees(kit.clock);
  const ends: Promise<unknown>[] = [];
  const filter = flags(kit, { ...web, ...settings }, trees);
  const leaves = (
    set: FlagSet | null,
    { baggage = '', id = '', flags: asked = '', metadata = [] as string[] } = {},
    status: Status = ok,
  ): string => {
    let below = '';
    const call = newCall(kit.clock, {
      snapshot: snapshot({ flagSet: set, policies: always({ flags: policy }) }),
      words: { baggage, requestId: id, flags: asked },
      metadata,
    });
    ends.push(
      run<Call>(
        (each) =>
          correlate(kit, 'outbound')(each, (known) =>
            filter(known, (next) => {
              below = next.baggage;
              return answer(status);
            }),
          ),
        call,
      ),
    );
    return below;
  };
  const widened = () => kit.meter.count('outrigger_flags_refused_total', 'web', 'widened').value;
  return { kit, trees, leaves, widened, over: () => Promise.all(ends) };
};

describe('the first sidecar of a call tree', () => {
  it('decides, and says by which definitions and who', () => {
    const { leaves } = wayOut();
    expect(leaves(fixed, { baggage: 'user=7' })).toBe(
      `user=7,outrigger.flags=${fixed.version}.web,ff.express=off,ff.tax=on`,
    );
  });

  it('marks a tree for which there is nothing to decide, so that nobody does later', async () => {
    const none = await flagSet({});
    expect(wayOut().leaves(none)).toBe(`outrigger.flags=${none.version}.web`);
  });

  it('leaves what the app has decided itself, and what a policy says of a flag', () => {
    const { leaves } = wayOut({}, { tax: 'off', extra: 'a' });
    expect(leaves(fixed, { baggage: 'ff.express=on' })).toBe(
      `ff.express=on,outrigger.flags=${fixed.version}.web,ff.tax=off,ff.extra=a`,
    );
  });

  it('chooses by the correlation id, or by what the settings name, and else by the id', () => {
    const beta = (baggage: string): string => /ff\.beta=([a-z]+)/.exec(baggage)![1]!;
    expect(beta(wayOut().leaves(targeted, { id: 'anna' }))).toBe('on');
    expect(beta(wayOut().leaves(targeted, { id: 'bert' }))).toBe('off');
    const { leaves } = wayOut({ targetingKey: { in: 'baggage', name: 'user' } });
    expect(beta(leaves(targeted, { id: 'x', baggage: 'user = anna;p=1' }))).toBe('on');
    expect(beta(leaves(targeted, { id: 'anna', baggage: 'user=bert' }))).toBe('off');
    expect(
      beta(wayOut({ targetingKey: { in: 'baggage', name: 'user' } }).leaves(targeted, { id: 'anna' })),
    ).toBe('on');
    const byField = wayOut({ targetingKey: { in: 'metadata', name: 'x-user' } });
    expect(beta(byField.leaves(targeted, { id: 'y', metadata: ['x-user', 'anna'] }))).toBe('on');
  });

  it('gives the same answers to all calls of one id while definitions change', () => {
    const { leaves } = wayOut();
    const first = leaves(fixed, { id: 'tree-1' });
    expect(leaves(targeted, { id: 'tree-1' })).toBe(first);
    expect(leaves(targeted, { id: 'tree-2' })).not.toBe(first); // control
    // An app that passes on baggage alone has the id from there.
    const baggage = 'outrigger.id=tree-3';
    const other = leaves(fixed, { baggage });
    expect(leaves(targeted, { baggage })).toBe(other);
  });

  it('leaves out what has no room, each answer whole, and counts the call', () => {
    const { leaves, kit } = wayOut();
    const members = (count: number) => Array.from({ length: count }, (_, at) => `m${at}=1`).join(',');
    expect(leaves(fixed, { baggage: members(62) })).toBe(
      `${members(62)},outrigger.flags=${fixed.version}.web,ff.express=off`,
    );
    // Without room for the mark nothing is decided: somebody below may.
    expect(leaves(fixed, { baggage: members(64) })).toBe(members(64));
    expect(kit.meter.count('outrigger_flags_dropped_total').value).toBe(2);
    expect(leaves(fixed, { baggage: members(61) })).toMatch(/,ff\.express=off,ff\.tax=on$/); // control
    expect(kit.meter.count('outrigger_flags_dropped_total').value).toBe(2);
  });

  it('hears its own app ask for answers, where it is a tester', () => {
    const { leaves } = wayOut({ tests: true });
    expect(leaves(fixed, { flags: 'express=on', baggage: 'a=1,ff.express=off' })).toBe(
      `a=1,outrigger.flags=${fixed.version}.web,ff.express=on,ff.tax=on`,
    );
    expect(wayOut().leaves(fixed, { flags: 'express=on' })).toMatch(/ff\.express=off/); // control
  });
});

describe('a sidecar in the middle of a call tree', () => {
  const came = 'outrigger.flags=3f9a01bc.edge,ff.express=off,ff.tax=v%202';

  it('adds nothing to it, whatever its own definitions and policies say', () => {
    const { leaves, trees } = wayOut({}, { extra: 'a' });
    trees.note('tree-1', came);
    expect(leaves(fixed, { id: 'tree-1', baggage: `user=7,${came}` })).toBe(`user=7,${came}`);
  });

  it('holds its app to what came, and counts what was widened', () => {
    const { leaves, trees, widened } = wayOut();
    trees.note('tree-1', came);
    const carries = (baggage: string) => leaves(null, { id: 'tree-1', baggage });
    expect(carries(`user=7,${came.replace('express=off', 'express=on')}`)).toBe(`user=7,${came}`);
    expect(carries(`${came},ff.beta=on`)).toBe(came);
    expect(carries(`ff.express=on,${came}`)).toBe(came);
    expect(carries('outrigger.flags=11111111.edge,ff.express=on')).toBe(came);
    expect(carries(came.replace('.edge', '.gateway'))).toBe(came); // nor who decided
    expect(carries(`${came},ff.express=off`)).toBe(came); // nor says it twice
    expect(widened()).toBe(6);
  });

  it('control: passes the same on of a tree that it does not know, in the name of its own app', () => {
    const { leaves, widened } = wayOut();
    const claimed = 'outrigger.flags=3f9a01bc.edge,ff.express=on';
    expect(leaves(fixed, { id: 'tree-2', baggage: claimed })).toBe(
      'outrigger.flags=3f9a01bc.web,ff.express=on',
    );
    expect(widened()).toBe(0);
  });

  it('is not misled by another spelling of the same', () => {
    const { leaves, trees, widened } = wayOut();
    trees.note('tree-1', came);
    const respelled = 'ff.tax = v%202;p=1, ff.express=off ,a=b,outrigger.flags=3f9a01bc.edge';
    expect(leaves(null, { id: 'tree-1', baggage: respelled })).toBe(respelled);
    expect(widened()).toBe(0);
  });

  it('restores what its app forgot to pass on', () => {
    const { leaves, trees, widened } = wayOut();
    trees.note('tree-1', came);
    expect(leaves(fixed, { id: 'tree-1', baggage: 'user=7' })).toBe(`user=7,${came}`);
    expect(widened()).toBe(0);
  });

  it('lets its app decide anew where it is a decider', () => {
    const { leaves, trees } = wayOut({ decides: true });
    trees.note('tree-1', came);
    expect(leaves(null, { id: 'tree-1', baggage: came.replace('express=off', 'express=on') })).toBe(
      'outrigger.flags=3f9a01bc.web,ff.express=on,ff.tax=v%202',
    );
  });
});

describe('calls that carried a flag', () => {
  const calls = (kit: ReturnType<typeof stillKit>, ...labels: [string, string, string]) =>
    kit.meter.count('outrigger_flag_calls_total', ...labels).value;

  it('are counted by variant and by how they ended', async () => {
    const { kit, leaves, over } = wayOut();
    leaves(fixed);
    leaves(fixed, { baggage: 'ff.express=on' }, ended(Code.UNAVAILABLE, 'no'));
    leaves(fixed, {}, ended(Code.CANCELLED, 'gone'));
    await over();
    expect(calls(kit, 'express', 'off', 'ok')).toBe(1);
    expect(calls(kit, 'express', 'on', 'failed')).toBe(1);
    expect(calls(kit, 'express', 'off', 'cancelled')).toBe(1);
    expect(calls(kit, 'tax', 'on', 'ok')).toBe(1);
  });

  it('are not for flags that nobody defined, nor by variants that an app made up', async () => {
    const { kit, leaves, over } = wayOut();
    leaves(fixed, { baggage: 'ff.unknown=on,ff.express=made-up' });
    await over();
    const text = writeMetrics(kit.meter.read())
      .split('\n')
      .filter((line) => line.startsWith('outrigger_flag_calls_total{'));
    expect(text.sort()).toEqual([
      'outrigger_flag_calls_total{flag="express",variant="other",outcome="ok"} 1',
      'outrigger_flag_calls_total{flag="tax",variant="on",outcome="ok"} 1',
    ]);
  });

  it('are counted for a hundred pairs at most, and then together', async () => {
    const variants = Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`v${at}`, at]));
    const set = await flagSet(
      Object.fromEntries(
        Array.from({ length: 4 }, (_, at) => [
          `f${at}`,
          { state: 'ENABLED', variants, defaultVariant: 'v0' },
        ]),
      ),
    );
    const { kit, leaves, over } = wayOut();
    for (let flag = 0; flag < 4; flag++)
      for (let at = 0; at < 30; at++) leaves(set, { baggage: `ff.f${flag}=v${at}` });
    await over();
    expect(calls(kit, 'f0', 'v29', 'ok')).toBe(1);
    expect(calls(kit, 'f3', 'v29', 'ok')).toBe(0);
    expect(calls(kit, 'other', 'other', 'ok')).toBeGreaterThan(0);
  });
});

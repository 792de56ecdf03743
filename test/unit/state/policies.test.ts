import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Cell } from '../../../sidecar/core/cell.ts';
import type { Slice } from '../../../sidecar/core/snapshot.ts';
import { openState } from '../../../sidecar/state/state.ts';
import { stillKit } from '../../support/kit.ts';
import { rule } from '../../support/policies.ts';

let directory: string;
beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'outrigger-state-')), 'state');
});
afterEach(() => rm(join(directory, '..'), { recursive: true, force: true }));

const policies = [rule('kv', 'inventory', '', { timeout: 250 })];

/** One run in which KV says these slices, one after the other; answers the policies that hold after each. */
const run = async (...said: Slice[]): Promise<(Slice['policies'] | null)[]> => {
  const kit = stillKit();
  const state = await openState({
    stateDir: { path: directory },
    service: 'orders',
    agent: 'http://consul',
    keepsIdentity: false,
    kit,
    env: {},
  });
  const slice = new Cell<Slice>({ origin: 'kv' });
  const source = { slice, want: () => {}, describe: () => '', trouble: () => null, close: () => {} };
  const remembered = state.remember('policies', source);
  const held = said.map((each) => {
    slice.set(each);
    kit.pass(1100); // a second is what KV has for its first answer
    return remembered.slice.value.policies ?? null;
  });
  remembered.close();
  await state.close();
  return held;
};

const silent: Slice = { origin: 'kv' };
const some: Slice = { origin: 'kv', policies, policyFaults: [] };
const none: Slice = { origin: 'kv', policies: [], policyFaults: [] };

describe('policies of an earlier run', () => {
  it('hold while KV does not answer, in the run after that too', async () => {
    expect(await run(silent)).toEqual([null]); // control: nothing was kept yet
    await run(some);
    expect(await run(silent)).toEqual([policies]);
    expect(await run(silent)).toEqual([policies]);
  });

  it('end with the first answer, though it says that there are none', async () => {
    await run(some);
    expect(await run(none)).toEqual([[]]);
    expect(await run(silent)).toEqual([[]]);
  });
});

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Cell } from '../../../sidecar/core/cell.ts';
import type { Access, ServiceView, Slice } from '../../../sidecar/core/snapshot.ts';
import { openState } from '../../../sidecar/state/state.ts';
import { stillKit } from '../../support/kit.ts';

let directory: string;
beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'outrigger-state-')), 'state');
});
afterEach(() => rm(join(directory, '..'), { recursive: true, force: true }));

const view = (name: string, port: number): [string, ServiceView] => [
  name,
  {
    name,
    origin: 'consul',
    endpoints: [{ id: `10.0.0.1:${port}`, host: '10.0.0.1', port, service: name }],
  },
];
const said = (views: [string, ServiceView][], access?: Access): Slice => ({
  origin: 'consul',
  services: new Map(views),
  asked: new Map(views.map(([name]) => [name, true])),
  ...(access !== undefined && { access }),
});

interface Consul {
  /** Null: it says nothing. */
  readonly says: Slice | null;
  readonly trouble?: string;
  readonly away?: boolean;
  /** Milliseconds that the run lasts. */
  readonly forMs?: number;
}

/** One run of a sidecar, which ends in an orderly way; answers the ports under which it knew services. */
const run = async (service: string | null, { says, trouble, away, forMs = 300 }: Consul) => {
  const kit = stillKit();
  const state = await openState({
    stateDir: { path: directory },
    service,
    agent: 'http://consul',
    keepsIdentity: false,
    kit,
    env: {},
  });
  const awaited: Access = { intentions: [], allowByDefault: false, because: 'not yet', awaited: true };
  const slice = new Cell(said([], service === null ? undefined : awaited));
  const remembered = state.remember('mesh', {
    slice,
    want: () => {},
    describe: () => '',
    trouble: () => trouble ?? null,
    ...(away !== undefined && { away: () => away }),
    close: () => {},
  });
  if (says !== null) slice.set(says);
  kit.pass(forMs);
  await state.close();
  remembered.close();
  const { services } = remembered.slice.value;
  return Object.fromEntries([...services!].map(([name, { endpoints }]) => [name, endpoints[0]!.port]));
};

const gone: Consul = { says: null, trouble: 'nobody listens there', forMs: 1000 };
const open: Access = { intentions: [], allowByDefault: true, because: 'Consul said so' };

describe('what was kept outlives a run that ended before Consul had said all', () => {
  it('though Consul said nothing to a caller that nobody calls', async () => {
    await run(null, { says: said([view('echo', 1)]) });
    await run(null, { says: null });
    expect(await run(null, gone)).toEqual({ echo: 1 });
  });

  it('though Consul said who may call, and nothing of the names yet', async () => {
    await run('web', { says: said([view('echo', 1)], open) });
    await run('web', { says: said([], open) });
    expect(await run('web', gone)).toEqual({ echo: 1 });
  });

  it('beside what was new in that run', async () => {
    await run('web', { says: said([view('echo', 1), view('orders', 2)], open) });
    await run('web', { says: said([view('orders', 8), view('stock', 9)], open) });
    expect(await run('web', gone)).toEqual({ echo: 1, orders: 8, stock: 9 });
  });

  it('and not longer than a minute of a Consul that is well', async () => {
    await run('web', { says: said([view('echo', 1)], open) });
    await run('web', { says: said([view('stock', 9)], open), forMs: 70_000 });
    expect(await run('web', gone)).toEqual({ stock: 9 });
  });
});

describe('one name about which Consul does not answer', () => {
  it('does not keep the others from being kept', async () => {
    const trouble = 'No path to datacenter';
    await run('web', { says: said([view('echo', 1)], open), trouble, away: false });
    await run('web', { says: said([view('echo', 3)], open), trouble, away: false });
    expect(await run('web', gone)).toEqual({ echo: 3 });
  });

  it('would, if it were all of Consul (control)', async () => {
    await run('web', { says: said([view('echo', 1)], open), trouble: 'nobody listens there', away: true });
    expect(await run('web', gone)).toEqual({});
  });
});

import { execFileSync } from 'node:child_process';
import { chmod, lstat, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Cell } from '../../../sidecar/core/cell.ts';
import type { Identity } from '../../../sidecar/core/identity.ts';
import type { Slice } from '../../../sidecar/core/snapshot.ts';
import { type Authority, createAuthority } from '../../../sidecar/identity/development-ca.ts';
import type { Source } from '../../../sidecar/sources/source.ts';
import { openState, type State } from '../../../sidecar/state/state.ts';
import { type StillKit, stillKit } from '../../support/kit.ts';

let authority: Authority;
let identity: Identity;
beforeAll(async () => {
  authority = await createAuthority();
  identity = { ...(await authority.issue({ service: 'orders' })), roots: [authority.root] };
});

let directory: string;
beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'outrigger-state-')), 'state');
});
afterEach(() => rm(join(directory, '..'), { recursive: true, force: true }));

const slice: Slice = {
  origin: 'consul',
  services: new Map([
    [
      'echo',
      {
        name: 'echo',
        origin: 'consul',
        endpoints: [{ id: '10.0.0.1:1', host: '10.0.0.1', port: 1, service: 'echo' }],
      },
    ],
  ]),
  asked: new Map([['echo', true]]),
  access: {
    intentions: [{ from: 'web', to: 'orders', allow: true }],
    allowByDefault: false,
    because: 'Consul said so',
  },
};

/** A source that says what the test wants. */
const scripted = (first: Slice): Source & { trouble: () => string | null; say: Cell<Slice> } => {
  const say = new Cell(first);
  return { say, slice: say, want: () => {}, describe: () => '', trouble: () => null, close: () => {} };
};

const unanswered: Slice = {
  origin: 'consul',
  services: new Map(),
  asked: new Map(),
  access: { intentions: [], allowByDefault: false, because: 'not yet', awaited: true },
};

interface Opened {
  readonly kit: StillKit;
  readonly state: State;
  readonly said: string[];
  /** What stands in, a while after Consul failed. */
  standsIn(): Slice;
}

const open = async (
  words: Partial<{ service: string; agent: string; stateDir: { path: string } | 'none'; wall: number }> = {},
): Promise<Opened> => {
  const said: string[] = [];
  const note = (fields: object, event: string): void => void said.push(`${event} ${JSON.stringify(fields)}`);
  const still = stillKit();
  // The certificates are of today, by the real clock.
  const clock = Object.assign(still.clock, { wall: () => words.wall ?? Date.now() });
  const kit = { ...still, clock, log: { debug: note, info: note, warn: note, error: note } };
  const state = await openState({
    stateDir: { path: directory },
    service: 'orders',
    agent: 'http://consul',
    keepsIdentity: true,
    env: {},
    ...words,
    kit,
  });
  const standsIn = (): Slice => {
    const source = state.remember('mesh', { ...scripted(unanswered), trouble: () => 'it is gone' });
    still.pass(100);
    source.close();
    return source.slice.value;
  };
  return { kit: still, state, said, standsIn };
};

/** Leaves behind what a run leaves that knew who it is and who is there. */
const leave = async (service = 'orders', agent = 'http://consul'): Promise<void> => {
  const { state } = await open({ service, agent });
  state.keepIdentity(new Cell<Identity | null>(identity));
  state.remember('mesh', scripted(slice));
  await state.close();
};

const files = async (): Promise<string[]> => (await readdir(directory)).sort();
const file = async (part: string): Promise<string> =>
  join(directory, (await files()).find((name) => name.endsWith(`.${part}.json`))!);

describe('state', () => {
  it('comes back as it was', async () => {
    await leave();
    const { state, standsIn, said } = await open();
    expect(state.identity).toMatchObject({
      key: identity.key,
      roots: identity.roots.map((root) => root.trimEnd()),
      validTo: identity.validTo,
    });
    expect(standsIn()).toEqual(slice);
    expect(state.inUse()).toBe(true);
    expect(said).toEqual([expect.stringContaining('a cold start: what was kept of the mesh stands in')]);
    await state.close();
  });

  it('is for its user alone, and leaves nothing half written', async () => {
    await leave();
    expect((await lstat(directory)).mode & 0o777).toBe(0o700);
    expect((await files()).map((name) => name.replace(/^orders-[0-9a-f]{8}/, 'orders-X'))).toEqual([
      'orders-X.identity.json',
      'orders-X.mesh.json',
    ]);
    for (const name of await files()) expect((await lstat(join(directory, name))).mode & 0o777).toBe(0o600);
  });

  it('of another service or agent is not overwritten', async () => {
    await leave();
    await leave('orders', 'http://other');
    expect((await files()).length).toBe(4);
  });

  it('is not kept while it is not sure: what stands in must not look younger than it is', async () => {
    await leave();
    const before = await readFile(await file('mesh'), 'utf8');
    const { state, standsIn } = await open();
    standsIn();
    await state.close();
    expect(await readFile(await file('mesh'), 'utf8')).toBe(before);
  });

  it('none: nothing is written, and the start says what that means', async () => {
    const { state, said } = await open({ stateDir: 'none' });
    state.keepIdentity(new Cell<Identity | null>(identity));
    await state.close();
    await expect(lstat(directory)).rejects.toThrow('ENOENT');
    expect(said).toEqual([expect.stringContaining('this sidecar cannot be started again')]);
  });
});

/** What was done to the files, the part that must not be used, the label and the cause. */
const refusals: readonly (readonly [string, 'identity' | 'mesh', () => Promise<unknown>, string, string])[] =
  [
    [
      'cut off',
      'mesh',
      async () => writeFile(await file('mesh'), (await text('mesh')).slice(0, -9)),
      'damaged',
      'checksum',
    ],
    [
      'empty',
      'mesh',
      async () => writeFile(await file('mesh'), ''),
      'damaged',
      'does not begin as a state does',
    ],
    [
      'another octet in it',
      'mesh',
      async () => writeFile(await file('mesh'), (await text('mesh')).replace('10.0.0.1:1', '10.0.0.9:1')),
      'damaged',
      'checksum',
    ],
    [
      'of a later release',
      'identity',
      async () =>
        writeFile(await file('identity'), (await text('identity')).replace('"format":1', '"format":9')),
      'format',
      'is of format 9, this release reads 1',
    ],
    [
      'open to others',
      'identity',
      async () => chmod(await file('identity'), 0o644),
      'rights',
      "run 'chmod 600",
    ],
    [
      'a link',
      'identity',
      async () => {
        const path = await file('identity');
        await rename(path, `${path}.real`);
        await symlink(`${path}.real`, path);
      },
      'rights',
      'is a link',
    ],
    [
      'a pipe that nobody writes into',
      'identity',
      async () => {
        const path = await file('identity');
        await rm(path);
        execFileSync('mkfifo', ['-m', '600', path]);
      },
      'rights',
      'is no file',
    ],
    [
      'of no date that there is',
      'mesh',
      async () =>
        writeFile(await file('mesh'), (await text('mesh')).replace(/"savedAt":\d+/, '"savedAt":1e300')),
      'damaged',
      'does not begin as a state does',
    ],
    [
      'of the other part',
      'mesh',
      async () => writeFile(await file('mesh'), await text('identity')),
      'other',
      "holds 'identity', not 'mesh'",
    ],
  ];
const text = async (part: string): Promise<string> => readFile(await file(part), 'utf8');

describe('a state that cannot be trusted is not used, with its cause', () => {
  it.each(refusals)('%s', async (_, part, harm, reason, cause) => {
    await leave();
    await harm();
    const { kit, state, said, standsIn } = await open();
    const used = { identity: state.identity !== null, mesh: standsIn().services!.size > 0 };
    expect(used).toEqual({ identity: part !== 'identity', mesh: part !== 'mesh' });
    expect(said.join()).toContain(cause);
    expect(kit.meter.count('outrigger_state_refused_total', part, reason).value).toBe(1);
    await state.close();
  });

  it.each([
    ['another service', { service: 'payments' }, "is of the service 'orders', not of 'payments'"],
    [
      'another agent',
      { agent: 'http://other' },
      'comes from Consul at http://consul, the settings say http://other',
    ],
  ] as const)('%s, though it lies where ours would', async (_, words, cause) => {
    await leave(
      'service' in words ? words.service : 'orders',
      'agent' in words ? words.agent : 'http://consul',
    );
    const theirs = { identity: await file('identity'), mesh: await file('mesh') };
    await rm(join(directory), { recursive: true });
    await leave();
    for (const part of ['identity', 'mesh'] as const) await rename(await file(part), theirs[part]);
    const { state, said, standsIn } = await open(words);
    expect([state.identity, standsIn().services!.size]).toEqual([null, 0]);
    expect(said.join()).toContain(cause);
    await state.close();
  });

  it('a certificate that has expired, a mesh of four days ago', async () => {
    await leave();
    const { state, said, standsIn } = await open({ wall: Date.now() + 4 * 24 * 3600_000 });
    expect([state.identity, standsIn().services!.size]).toEqual([null, 0]);
    expect(said.join()).toContain('expired at');
    expect(said.join()).toContain('more than 72 h ago');
    await state.close();
  });

  it('a directory that others may read: nothing is read or kept', async () => {
    await leave();
    await chmod(directory, 0o755);
    const { state, said } = await open();
    expect(state.identity).toBeNull();
    expect(said.join()).toContain(`run 'chmod 700 ${directory}'`);
    await state.close();
  });
});

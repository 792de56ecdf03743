import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Cell } from '../core/cell.ts';
import type { Identity } from '../core/identity.ts';
import type { Kit } from '../core/kit.ts';
import type { Slice } from '../core/snapshot.ts';
import { readSpiffe } from '../core/spiffe.ts';
import { messageOf } from '../core/thrown.ts';
import { pairUp } from '../identity/pair.ts';
import { isAway } from '../sources/over.ts';
import type { Source } from '../sources/source.ts';
import { type Kept, oldestMs, readState, type StateHead, StateRefused, sweepState } from './file.ts';
import { ownDirectory, type StateDir, usualPlace } from './place.ts';
import { readSlice, writeSlice } from './plain.ts';
import { type RememberingSource, rememberingSource } from './remembered.ts';
import { Writer } from './writer.ts';

/** What state is kept for. */
export interface StateOptions {
  readonly stateDir: StateDir;
  /** The service beside us; null for a pure caller without a name. */
  readonly service: string | null;
  /** URL of the Consul agent. */
  readonly agent: string;
  /** False where the identity comes from elsewhere. */
  readonly keepsIdentity: boolean;
  readonly kit: Kit;
  /** The environment, where `default` is looked up. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What is kept of a source: instances, routes and intentions; policies. */
export type MeshPart = 'mesh' | 'policies';
type Part = 'identity' | MeshPart;

/** What an earlier run of us has left, and what will be left to a later one. */
export interface State {
  /** The identity that was kept, if it can still be used. */
  readonly identity: Identity | null;
  /** Keeps every later identity. */
  keepIdentity(identities: Cell<Identity | null>): void;
  /** The source, beginning with what was kept of it, and kept itself. */
  remember(part: MeshPart, source: Source): Source;
  /** True while a source begins with what was kept. */
  inUse(): boolean;
  /** Writes what is not written yet. Never rejects. */
  close(): Promise<void>;
}

/** Opens the state directory and reads what is in it. Never rejects: what cannot be used is told and left out. */
export const openState = async (options: StateOptions): Promise<State> => {
  const { stateDir, service, agent, keepsIdentity, kit, env } = options;
  const directory = await directoryOf(stateDir, env, kit);
  if (directory === null) return stateless;
  await sweepState(directory, kit.clock.wall());
  const head = (part: Part): StateHead => ({ part, service: service ?? '', agent });
  // Of several agents none overwrites what another said.
  const name = `${service ?? 'proxy'}-${short(`${service ?? ''} ${agent}`)}`;
  const path = (part: Part): string => join(directory, `${name}.${part}.json`);
  const read = <T>(part: Part, use: (kept: Kept<string>) => T): Promise<Kept<T> | null> =>
    readPart(path(part), head(part), use, kit);
  const readMesh = (part: MeshPart): Promise<Kept<Slice> | null> =>
    read(part, (kept) => sliceOf(kept, path(part), kit.clock.wall()));

  const [identity, mesh, policies] = await Promise.all([
    keepsIdentity
      ? read('identity', (kept) => identityOf(kept.value, path('identity'), service ?? '', kit.clock.wall()))
      : null,
    readMesh('mesh'),
    readMesh('policies'),
  ]);
  const slices = { mesh, policies };
  const remembering: RememberingSource[] = [];
  const closing: (() => Promise<void>)[] = [];
  const keep = <T>(part: Part, cell: Cell<T>, body: () => string | null): void => {
    const writer = new Writer({ path: path(part), head: head(part), kit, body });
    const deaf = cell.listen(() => writer.changed());
    closing.push(() => {
      deaf();
      return writer.close();
    });
    writer.changed();
  };
  return {
    identity: identity?.value ?? null,
    keepIdentity: (identities) =>
      keep('identity', identities, () =>
        identities.value === null ? null : writeIdentity(identities.value),
      ),
    remember: (part, source) => {
      const kept = slices[part];
      const remembered = kept === null ? null : rememberingSource(part, source, kept, kit);
      if (remembered !== null) remembering.push(remembered);
      const { slice } = remembered ?? source;
      // While Consul is away nothing may look younger than it is, and silence must not look like none. When it
      // answers, names of which it has said nothing yet stay: another start may come before it does.
      const isSilent = (): boolean => part === 'policies' && source.slice.value.policies === undefined;
      const isSure = (): boolean =>
        remembered?.isHeard() !== false &&
        !isAway(source) &&
        source.slice.value.access?.awaited !== true &&
        !isSilent();
      keep(part, slice, () => (isSure() ? writeSlice(remembered?.whole() ?? slice.value) : null));
      return remembered ?? source;
    },
    inUse: () => remembering.some((source) => source.inUse()),
    close: async () => {
      await Promise.all(closing.splice(0).map((end) => end()));
    },
  };
};

/** Nothing is kept: what does not come from Consul lies in files already. */
export const stateless: State = Object.freeze({
  identity: null,
  keepIdentity: () => {},
  remember: (_: MeshPart, source: Source): Source => source,
  inUse: () => false,
  close: async () => {},
});

const directoryOf = async (
  stateDir: StateDir,
  env: StateOptions['env'],
  { log, meter }: Kit,
): Promise<string | null> => {
  const refuses = 'while Consul does not answer, this sidecar cannot be started again';
  if (stateDir === 'none') {
    log.warn({ stateDir: 'none' }, `nothing is kept on disk: ${refuses}`);
    return null;
  }
  const directory = stateDir === 'default' ? await usualPlace(env) : stateDir.path;
  if (directory === null) {
    log.warn({ fix: 'set state-dir to a directory of this user' }, `no place to keep state: ${refuses}`);
    return null;
  }
  try {
    await ownDirectory(directory);
    return directory;
  } catch (thrown) {
    meter.count('outrigger_state_refused_total', 'directory', 'rights').value++;
    log.error({ cause: (thrown as Error).message }, `state is neither read nor kept: ${refuses}`);
    return null;
  }
};

const readPart = async <T>(
  path: string,
  head: StateHead,
  use: (kept: Kept<string>) => T,
  { meter, log }: Kit,
): Promise<Kept<T> | null> => {
  try {
    const kept = await readState(path, head);
    return kept === null ? null : { value: use(kept), savedAt: kept.savedAt };
  } catch (thrown) {
    const [reason, cause] =
      thrown instanceof StateRefused
        ? [thrown.reason, thrown.message]
        : ['damaged', `${path}: ${messageOf(thrown)}`];
    meter.count('outrigger_state_refused_total', head.part, reason).value++;
    log.warn({ cause }, 'a kept state is not used');
    return null;
  }
};

const writeIdentity = ({ certificate, key, roots }: Identity): string =>
  JSON.stringify({ certificate, key, roots });

const identityOf = (text: string, path: string, service: string, wall: number): Identity => {
  const { certificate, key, roots } = JSON.parse(text) as Pick<Identity, 'certificate' | 'key' | 'roots'>;
  const place = (what: string): string => `the ${what} in ${path}`;
  const identity = pairUp({
    certificate,
    key,
    roots,
    places: { certificate: place('certificate'), key: place('key'), roots: place('roots') },
  });
  const named = readSpiffe(identity.spiffe)?.service ?? '';
  if (named !== service)
    throw new StateRefused('other', `${place('certificate')} is of '${named}', not of '${service}'`);
  if (identity.validTo <= wall)
    throw new StateRefused(
      'old',
      `${place('certificate')} expired at ${new Date(identity.validTo).toISOString()}`,
    );
  return identity;
};

const sliceOf = ({ value, savedAt }: Kept<string>, path: string, wall: number): Slice => {
  if (wall - savedAt > oldestMs)
    throw new StateRefused(
      'old',
      `${path} was last true at ${new Date(savedAt).toISOString()}, more than ${oldestMs / 3600_000} h ago`,
    );
  return readSlice(value);
};

const short = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 8);

import type { ConsulDoor } from './consul/door.ts';
import type { Rights } from './consul/rights.ts';
import type { Cell } from './core/cell.ts';
import type { Identity } from './core/identity.ts';
import type { Kit } from './core/kit.ts';
import { nearNames } from './core/near-names.ts';
import { builtInPolicy } from './ground.ts';
import { consulIdentity } from './identity/consul.ts';
import { fileIdentity } from './identity/files.ts';
import { noIdentity } from './identity/none.ts';
import type { IdentitySource } from './identity/source.ts';
import { safeRegex } from './policies/safe-regex.ts';
import { forgetful, frozenIdentity, openToAll, type Sabotage } from './sabotage.ts';
import type { ConsulDiscovery, Settings } from './settings/settings.ts';
import { type Assembly, assemble } from './sources/assemble.ts';
import { consulSource } from './sources/consul.ts';
import { type ContractsSource, contractsSource } from './sources/contracts.ts';
import { fileSource } from './sources/file.ts';
import { flagCompiler } from './sources/flags/compile.ts';
import { fileFlagsSource } from './sources/flags/file.ts';
import { kvFlagsSource } from './sources/flags/kv.ts';
import type { ReadFlags } from './sources/flags/last-good.ts';
import { policiesSource, type ReadPolicy } from './sources/policies-kv.ts';
import type { Source } from './sources/source.ts';
import { type StaticWords, staticSource } from './sources/static.ts';
import { openState, type State, stateless } from './state/state.ts';

/** Where everything that a sidecar knows comes from. */
export interface Origins {
  readonly assembly: Assembly;
  readonly identity: IdentitySource;
  /** The identity as transports use it; null while identity is none. */
  readonly identities: Cell<Identity | null> | null;
  /** What services say of their methods; null where nothing comes from Consul. */
  readonly contracts: ContractsSource | null;
  /** Null where nothing comes from Consul. */
  readonly door: ConsulDoor | null;
  /** What the token may do; null where nothing comes from Consul. */
  readonly rights: Rights | null;
  /** What was kept of an earlier run, and what is kept for a later one. */
  readonly state: State;
}

/** The settings file, to be read again when it changes. */
export interface SettingsFile {
  readonly path: string;
  readonly load: () => Promise<Settings>;
}

/** What sources and identity stand on, beside the settings. */
export interface Around {
  readonly kit: Kit;
  readonly signal: AbortSignal;
  readonly file: SettingsFile | undefined;
  readonly sabotage: ReadonlySet<Sabotage>;
  readonly consulToken: string | undefined;
}

/** Opens sources and identity as the settings say; rejects when certificate files cannot be used. */
export const openOrigins = async (settings: Settings, around: Around): Promise<Origins> => {
  const { discovery } = settings;
  const door = discovery.from === 'consul' ? await openDoor(discovery, around) : null;
  try {
    return await openBehind(door, settings, around);
  } catch (thrown) {
    door?.close();
    throw thrown;
  }
};

const openBehind = async (door: ConsulDoor | null, settings: Settings, around: Around): Promise<Origins> => {
  const { kit, signal, file, sabotage } = around;
  const { discovery, service } = settings;
  const url = discovery.from === 'consul' ? discovery.url : '';
  const rights = door === null ? null : await openRights(settings, door, around);
  const state = door === null ? stateless : await openKept(settings, door, kit);
  const identity = await openIdentity(settings, door, state.identity, around);
  if (identity.kind === 'consul') state.keepIdentity(identity.identity);
  const sources: Source[] = [];
  if (discovery.from === 'consul') {
    const consul = consulSource({
      door: door!,
      service: service?.name ?? null,
      kit,
      signal,
      near: nearNames,
      patternFault,
    });
    sources.push(state.remember('mesh', sabotage.has('snapshot') ? forgetful(consul, url) : consul));
  }
  // Before the settings: what a file says of a service's methods counts more than what the service says.
  const contracts = door === null ? null : contractsSource({ kit, signal });
  if (contracts !== null) sources.push(contracts);
  if (door !== null) {
    const policies = policiesSource({ door, kit, signal, read: policyReader() });
    sources.push(state.remember('policies', policies));
  }
  // What stands in KV counts more than what files of the hosts say.
  const reading = { read: flagsReader(), kit, signal };
  if (settings.flagging.file !== null)
    sources.push(fileFlagsSource({ ...reading, path: settings.flagging.file, compile: flagCompiler() }));
  if (door !== null) sources.push(kvFlagsSource({ ...reading, door, compile: flagCompiler() }));
  sources.push(settingsSource(settings, kit, signal, file));
  if (sabotage.has('intentions')) sources.push(openToAll());
  const identities = sabotage.has('identity') ? frozenIdentity(identity.identity) : identity.identity;
  return {
    assembly: assemble({ sources, kit, policy: builtInPolicy(settings, sabotage) }),
    identity,
    identities: identity.kind === 'none' ? null : identities,
    contracts,
    door,
    rights,
    state,
  };
};

// Loaded only where it is used: the client and its schemas stay in resident memory.
const openDoor = async (discovery: ConsulDiscovery, { kit, consulToken }: Around): Promise<ConsulDoor> => {
  const { openConsul } = await import('./consul/door.ts');
  return openConsul({ ...discovery, token: consulToken }, kit);
};

const openRights = async (settings: Settings, door: ConsulDoor, { kit, signal }: Around): Promise<Rights> => {
  const { watchRights } = await import('./consul/rights.ts');
  const { discovery, service } = settings;
  return watchRights({
    door,
    kit,
    signal,
    service: service?.name ?? null,
    registers: service?.app != null,
    tokenFile: discovery.from === 'consul' ? discovery.tokenFile : null,
  });
};

const openKept = (
  { stateDir, service, identity }: Settings,
  { url }: ConsulDoor,
  kit: Kit,
): Promise<State> => {
  const keepsIdentity = identity.from === 'consul';
  return openState({
    stateDir,
    service: service?.name ?? null,
    agent: url,
    keepsIdentity,
    kit,
    env: process.env,
  });
};

const openIdentity = async (
  { identity, service }: Settings,
  door: ConsulDoor | null,
  kept: Identity | null,
  { kit, signal, sabotage }: Around,
): Promise<IdentitySource> => {
  if (identity.from === 'consul')
    return consulIdentity({
      door: door!,
      service: service!.name,
      kit,
      signal,
      kept,
      dropsLostRoots: sabotage.has('roots'),
    });
  if (identity.from === 'none') return noIdentity();
  const { cert, key, ca } = identity;
  return fileIdentity({ cert, key, ca, kit, signal });
};

/** Loaded while Consul is asked for the first time: with the first policy it would hold up calls. */
const policyReader = (): ReadPolicy => {
  const loading = import('./settings/read-policy.ts');
  loading.catch(() => {}); // told by whoever reads
  return async (text, key, service) => (await loading).readPolicy(text, key, service);
};

/** Loaded with the first definitions: a sidecar without any must not pay for it. */
const flagsReader = (): ReadFlags => async (text, key) =>
  (await import('./settings/read-flags.ts')).readFlags(text, key);

const settingsSource = (
  settings: Settings,
  kit: Kit,
  signal: AbortSignal,
  file: SettingsFile | undefined,
): Source => {
  if (file === undefined) return staticSource(wordsOf(settings));
  const load = async (): Promise<StaticWords> => wordsOf(await file.load());
  return fileSource({ path: file.path, load, words: wordsOf(settings), kit, signal });
};

/** What the settings say of the mesh. */
export const wordsOf = ({ discovery, intentions, flags, policies }: Settings): StaticWords => ({
  services: discovery.from === 'static' ? discovery.services : null,
  intentions,
  flags,
  policies,
});

/** What is wrong with a pattern of a route, or null. */
const patternFault = (pattern: string): string | null => {
  const made = safeRegex(pattern);
  return 'why' in made ? made.why : null;
};

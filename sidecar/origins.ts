import type { ConsulDoor } from './consul/door.ts';
import type { Cell } from './core/cell.ts';
import type { Identity } from './core/identity.ts';
import type { Kit } from './core/kit.ts';
import { nearNames } from './core/near-names.ts';
import { consulIdentity } from './identity/consul.ts';
import { fileIdentity } from './identity/files.ts';
import { noIdentity } from './identity/none.ts';
import type { IdentitySource } from './identity/source.ts';
import { forgetful, frozenIdentity, openToAll, type Sabotage } from './sabotage.ts';
import type { Settings } from './settings/settings.ts';
import { type Assembly, assemble } from './sources/assemble.ts';
import { consulSource } from './sources/consul.ts';
import { fileSource } from './sources/file.ts';
import type { Source } from './sources/source.ts';
import { type StaticWords, staticSource } from './sources/static.ts';

/** Where everything that a sidecar knows comes from. */
export interface Origins {
  readonly assembly: Assembly;
  readonly identity: IdentitySource;
  /** The identity as transports use it; null while identity is none. */
  readonly identities: Cell<Identity | null> | null;
  /** Null where nothing comes from Consul. */
  readonly door: ConsulDoor | null;
}

/** The settings file, to be read again when it changes. */
export interface SettingsFile {
  readonly path: string;
  readonly load: () => Promise<Settings>;
}

/** Opens sources and identity as the settings say; rejects when certificate files cannot be used. */
export const openOrigins = async (
  settings: Settings,
  kit: Kit,
  signal: AbortSignal,
  file: SettingsFile | undefined,
  sabotage: ReadonlySet<Sabotage>,
): Promise<Origins> => {
  const { discovery, service } = settings;
  const usesConsul = discovery.from === 'consul' || settings.identity.from === 'consul';
  const url = discovery.from === 'consul' ? discovery.url : 'http://127.0.0.1:8500';
  const tokenFile = discovery.from === 'consul' ? discovery.tokenFile : null;
  // Loaded only where it is used: the client and its schemas stay in resident memory.
  const door = usesConsul ? (await import('./consul/door.ts')).openConsul({ url, tokenFile }, kit) : null;
  const identity = await openIdentity(settings, door, kit, signal);
  const sources: Source[] = [];
  if (discovery.from === 'consul') {
    const consul = consulSource({
      door: door!,
      service: service?.name ?? null,
      kit,
      signal,
      near: nearNames,
    });
    sources.push(sabotage.has('snapshot') ? forgetful(consul, url) : consul);
  }
  sources.push(settingsSource(settings, kit, signal, file));
  if (sabotage.has('intentions')) sources.push(openToAll());
  const identities = sabotage.has('identity') ? frozenIdentity(identity.identity) : identity.identity;
  return {
    assembly: assemble({ sources, kit }),
    identity,
    identities: identity.kind === 'none' ? null : identities,
    door,
  };
};

const openIdentity = async (
  { identity, service }: Settings,
  door: ConsulDoor | null,
  kit: Kit,
  signal: AbortSignal,
): Promise<IdentitySource> => {
  if (identity.from === 'consul') return consulIdentity({ door: door!, service: service!.name, kit, signal });
  if (identity.from === 'none') return noIdentity();
  const { cert, key, ca } = identity;
  return fileIdentity({ cert, key, ca, kit, signal });
};

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

const wordsOf = ({ discovery, intentions, flags }: Settings): StaticWords => ({
  services: discovery.from === 'static' ? discovery.services : null,
  intentions,
  flags,
});

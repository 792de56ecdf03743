import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Loop, type Limits as WireLimits } from '../wire/index.ts';
import { FlagTrees } from './core/flag-trees.ts';
import type { Kit } from './core/kit.ts';
import { silent } from './core/log.ts';
import { type Placement, policyOf } from './core/policy.ts';
import { Progress } from './core/progress.ts';
import type { Discovery } from './core/snapshot.ts';
import { accountsOf, builtInPolicy } from './ground.ts';
import { wireLimits } from './limits.ts';
import { wordsOf } from './origins.ts';
import { realKit } from './real-kit.ts';
import type { Place } from './settings/address.ts';
import { defaultLimits } from './settings/defaults.ts';
import type { Settings } from './settings/settings.ts';
import { assemble } from './sources/assemble.ts';
import { fileSource } from './sources/file.ts';
import { type StaticWords, staticSource } from './sources/static.ts';
import { type Sidecar, startSidecar } from './start.ts';
import { openWayWithin, type WayWithin } from './way-within.ts';

/** What an app asks for in its own process. */
export interface EmbedOptions {
  /** A settings file, which says who the app is, its policies, and where services run. */
  readonly file?: string;
  /** Who the app is, where something else than the file says so. */
  readonly service?: { readonly name: string };
  /** True: a whole sidecar is started beside, as the file says. */
  readonly startsSidecar: boolean;
  /** ACL token for Consul, where the file names no file with one. */
  readonly consulToken?: string | undefined;
  /** Time and chance, for tests; only without a file. */
  readonly kit?: Kit;
}

/** Limits of one call, in the engine's words. */
export type CallLimits = Pick<WireLimits, 'messageBytes' | 'headerListBytes' | 'headerFields'>;

/** The part of the mesh that runs in an app's own process. */
export interface Embedded extends WayWithin {
  /** Where a sidecar that was started listens for the app; null: none was. */
  readonly sidecar: string | null;
  /** Who the app is, and where its sidecar looks for it; null where nobody says. */
  readonly service: { readonly name: string; readonly place: Place | null } | null;
  /** What one call may carry. */
  readonly limits: CallLimits;
  /** How long calls may finish when the app lets go, milliseconds. */
  readonly drainMs: number;
  /** Where the calls go to a service that is hosted here; it may change at any time. */
  placementOf(service: string): Placement;
  /** Lets calls in flight finish, and ends everything. */
  stop(): Promise<void>;
}

/** Opens the part of the mesh that runs in an app's own process. Rejects with all that is wrong with the file. */
export const embed = async (options: EmbedOptions): Promise<Embedded> => {
  const { file, service, startsSidecar, consulToken, kit } = options;
  if (file === undefined) return embedBare(service, kit);
  const path = resolve(file);
  const overlay = service === undefined ? {} : { service };
  return startsSidecar ? embedSidecar(path, overlay, consulToken) : embedBeside(path, overlay);
};

/** Calls on the way and how long they are let be, in milliseconds, where no file says it. */
const standardDrainMs = 15_000;

type Said = Pick<Settings, 'service' | 'limits' | 'faults' | 'log' | 'flagging'>;

/** Without a file: everything has its default. */
const embedBare = (own: EmbedOptions['service'], kit?: Kit): Embedded => {
  const limits = defaultLimits();
  const settings: Said = {
    service: own === undefined ? null : { name: own.name, app: null, check: 'none' },
    limits,
    faults: { policies: false, from: [] },
    log: { level: 'warn', access: null },
    flagging: { file: null, targetingKey: null, deciders: null, testers: [] },
  };
  const words: StaticWords = { services: null, intentions: null, flags: {} };
  // A test's time stands still, and nobody waits for calls that hang in it.
  const drainMs = kit === undefined ? standardDrainMs : 0;
  return standalone(settings, kit ?? realKit(silent), () => staticSource(words), nobodyElse, drainMs);
};

/** Beside a sidecar of another process: the file says of calls within what it says of those that leave. */
const embedBeside = async (path: string, said: object): Promise<Embedded> => {
  const { load, log, settings } = await readFile(path, said);
  const words = async (): Promise<StaticWords> => wordsOf(await load());
  const source = (around: Pick<Parameters<typeof fileSource>[0], 'kit' | 'signal'>) =>
    fileSource({ path, load: words, words: wordsOf(settings), ...around });
  return standalone(settings, realKit(log), source, nobodyElse, settings.drain.calls);
};

const standalone = (
  settings: Said,
  kit: Kit,
  openSource: (
    around: Pick<Parameters<typeof fileSource>[0], 'kit' | 'signal'>,
  ) => ReturnType<typeof staticSource>,
  discovery: Discovery,
  drainMs: number,
): Embedded => {
  const stop = new AbortController();
  const sabotage = new Set<never>();
  const loop = new Loop({ now: () => kit.clock.now(), heldLimit: settings.limits.held });
  const source = openSource({ kit, signal: stop.signal });
  const assembly = assemble({ sources: [source], kit, policy: builtInPolicy(settings, sabotage) });
  const snapshots = assembly.snapshot;
  const accounts = accountsOf(settings);
  const within = openWayWithin({
    ...{ settings, kit, loop, accounts, sabotage, snapshots, discovery },
    progress: new Progress(),
    trees: new FlagTrees(kit.clock),
    // The SDK itself makes spans of the calls within.
    tracing: null,
  });
  return {
    ...within,
    ...factsOf(settings),
    sidecar: null,
    drainMs,
    placementOf: (service) => policyOf(snapshots.value.policies, service).all.placement,
    stop: async () => {
      within.close(letGo);
      stop.abort();
      assembly.close();
      kit.wheel.close();
    },
  };
};

/** A whole sidecar, whose listener for the app is a socket that no other user can reach. */
const embedSidecar = async (
  path: string,
  said: object,
  consulToken: string | undefined,
): Promise<Embedded> => {
  const folder = await mkdtemp(join(tmpdir(), 'outrigger-app-'));
  try {
    const overlay = { ...said, listen: { app: `unix:${join(folder, 'app.sock')}` } };
    const { load, log, settings } = await readFile(path, overlay);
    const sidecar = await startSidecar(settings, { log, consulToken, file: { path, load } });
    const within = sidecar.openWithin();
    await readySoon(sidecar);
    return {
      ...within,
      ...factsOf(settings),
      sidecar: sidecar.ports.app,
      drainMs: settings.drain.calls,
      placementOf: (service) => policyOf(sidecar.snapshot().policies, service).all.placement,
      stop: async () => {
        within.close(letGo);
        await sidecar.drain();
        await sidecar.close();
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (thrown) {
    await rm(folder, { recursive: true, force: true });
    throw thrown;
  }
};

/** How long the app waits for its sidecar to be ready: without, its first calls out would be refused. */
const patienceMs = 5000;

const readySoon = async ({ ready }: Sidecar): Promise<void> => {
  const over = new AbortController();
  await Promise.race([ready.catch(() => {}), pause(patienceMs, undefined, { signal: over.signal })]);
  over.abort();
};

const letGo = 'the app let go of its mesh';

const factsOf = ({ service, limits }: Said): Pick<Embedded, 'service' | 'limits'> => ({
  service: service === null ? null : { name: service.name, place: service.app },
  limits: wireLimits(limits, limits['streams-app']),
});

/** Reads the file, and opens the log that it asks for; loaded only where there is one. */
const readFile = async (path: string, overlay: object) => {
  const [{ loadSettings }, { openLog }] = await Promise.all([
    import('./settings/load.ts'),
    import('./telemetry/log.ts'),
  ]);
  const read = () => loadSettings({ file: path, overlay: { ...overlay }, freePorts: true });
  const { settings, warnings } = read();
  const base = settings.service === null ? {} : { base: { sidecar: settings.service.name } };
  const log = openLog({ level: settings.log.level, ...base });
  for (const { at, message } of warnings) log.warn({ at }, message);
  return { settings, log, load: async () => read().settings };
};

/** Names that nobody hosts here do not come this far: the SDK knows what is hosted. */
const nobodyElse: Discovery = { want: () => {}, describe: () => 'it is not hosted in this process' };

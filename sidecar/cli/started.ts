import { resolve } from 'node:path';
import type { Log } from '../core/log.ts';
import type { Loaded, Origin } from '../settings/load.ts';
import type { Settings } from '../settings/settings.ts';
import { consulEnvironment, consulToken } from './consul-options.ts';

/** What the commands need of a sidecar that was started. */
export interface StartedSidecar {
  /** Bound addresses: `host:port` or `unix:PATH`; peers is null without an app to answer. */
  readonly ports: { readonly app: string; readonly peers: string | null; readonly admin: string };
  /** Resolves once calls can be carried: identity and first answers are there. */
  readonly ready: Promise<void>;
  /** Why it is not ready, each a sentence. */
  notReady(): readonly string[] | Promise<readonly string[]>;
  /** Stops inbound calls and resolves when those in flight have ended, or their time has. */
  drain(): Promise<void>;
  /** Resolves when the app has closed its connections to the sidecar. */
  appGone(): Promise<void>;
  /** Ends everything. */
  close(): Promise<void>;
}

/** Opens a sidecar's listeners; rejects when one cannot be opened. `file` is read again when it changes. */
export type StartSidecar = (
  settings: Settings,
  options: { log: Log; origin: Origin; file?: { path: string; load: () => Promise<Settings> } },
) => Promise<StartedSidecar>;

/** What commands that start a sidecar reach out to; tests hand in their own. */
export interface Surroundings {
  readonly start: StartSidecar;
  readonly load: (origin: Origin) => Promise<Loaded>;
  readonly openLog: (settings: Settings) => Log;
  /** Signals by name; the process, outside tests. */
  readonly signals: {
    on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
    off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  };
  /** Writes one line for whoever started the command. */
  readonly say: (line: string) => void;
  /**
   * How long an app or a call waits for its sidecar to be ready, in milliseconds. Without a limit an app could not be
   * started while Consul is away; without waiting its first calls would be refused.
   */
  readonly patienceMs: number;
  /** Whether people read what is said. */
  readonly terminal: boolean;
}

/** The real surroundings; everything heavy is loaded here, when a command needs it. */
export const surroundings = async (): Promise<Surroundings> => {
  const [{ readSabotage, startSidecar }, { loadSettingsApart }, { openLog }] = await Promise.all([
    import('../index.ts'),
    import('../settings/apart.ts'),
    import('../telemetry/log.ts'),
  ]);
  const sabotage = readSabotage(process.env['OUTRIGGER_SABOTAGE']);
  return {
    ...outside(loadSettingsApart, openLog),
    start: (settings, options) =>
      startSidecar(settings, { ...options, sabotage, consulToken: consulToken(process.env) }),
  };
};

/** The same for `run`: the sidecar is a process of its own, so that neither it nor the app takes the other along. */
export const supervising = async (): Promise<Surroundings> => {
  const [{ startSupervised }, { loadSettingsApart }, { openLog }] = await Promise.all([
    import('./supervised.ts'),
    import('../settings/apart.ts'),
    import('../telemetry/log.ts'),
  ]);
  return {
    ...outside(loadSettingsApart, openLog),
    start: (settings, { log, origin, file }) => startSupervised(settings, { log, origin, load: file?.load }),
  };
};

const outside = (
  load: Surroundings['load'],
  openLog: typeof import('../telemetry/log.ts')['openLog'],
): Omit<Surroundings, 'start'> => ({
  load: async (origin) => load({ ...origin, consul: consulEnvironment(process.env) }),
  openLog: ({ log, service }) =>
    openLog({ level: log.level, ...(service === null ? {} : { base: { sidecar: service.name } }) }),
  signals: process,
  say: (line) => void process.stderr.write(`${line}\n`),
  patienceMs: 5000,
  terminal: process.stderr.isTTY === true,
});

/** Reads the settings, opens the log, warns, starts the sidecar and says where it listens. */
export const startSaying = async (
  origin: Origin,
  around: Surroundings,
): Promise<{ sidecar: StartedSidecar; settings: Settings; log: Log }> => {
  const { settings, warnings } = await around.load(origin);
  const log = around.openLog(settings);
  for (const { at, message } of warnings) log.warn({ at }, message);
  const sidecar = await around.start(settings, { log, origin, ...settingsFile(origin, around) });
  around.say(portsLine(settings.service?.name ?? '', sidecar.ports, around.terminal));
  return { sidecar, settings, log };
};

/** The file among the options of a start, when the settings have one. */
export const settingsFile = (
  origin: Origin,
  around: Pick<Surroundings, 'load'>,
): { file?: { path: string; load: () => Promise<Settings> } } => {
  if (origin.file === undefined) return {};
  const load = async (): Promise<Settings> => (await around.load(origin)).settings;
  return { file: { path: resolve(origin.file), load } };
};

const portsLine = (service: string, ports: StartedSidecar['ports'], terminal: boolean): string => {
  if (!terminal) return JSON.stringify({ event: 'listening', service, ...ports });
  const { app, peers, admin } = ports;
  const parts = [`app ${app}`, ...(peers === null ? [] : [`peers ${peers}`]), `admin http://${admin}`];
  return `outrigger: ${service === '' ? 'proxy' : service}  ${parts.join('  ')}`;
};

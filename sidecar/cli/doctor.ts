import { setMaxListeners } from 'node:events';
import { silent } from '../core/log.ts';
import { checks, type Diagnosis, examine } from '../doctor/examine.ts';
import { openWorld, type World } from '../doctor/world.ts';
import { realKit } from '../real-kit.ts';
import { type Loaded, loadSettings, type Origin } from '../settings/load.ts';
import { SettingsError } from '../settings/problem.ts';
import { type ConsulOptions, consulEnvironment, consulOverlay, consulToken } from './consul-options.ts';
import { Exit, UsageError } from './exit.ts';

/** Options of `outrigger doctor`, as commander hands them over. */
export interface DoctorOptions extends ConsulOptions {
  readonly service?: string;
  readonly port?: number;
  /** `name=host:port` or a name alone, each. */
  readonly upstream?: readonly string[];
  readonly freePorts?: boolean;
  readonly json?: boolean;
}

/** What the command reaches out to; `change` lets a test stand something in the world still. */
export interface DoctorAround {
  readonly env: NodeJS.ProcessEnv;
  readonly write: (line: string) => void;
  readonly change?: (world: World) => World;
}

/**
 * `outrigger doctor`: looks at everything that a sidecar with these settings stands on, all at once, and says what is
 * wrong in a line of cause and a line of remedy. Answers the exit code: 1 when there is a fault.
 */
export const doctor = async (
  file: string | undefined,
  options: DoctorOptions,
  around: DoctorAround,
): Promise<number> => {
  const begun = performance.now();
  const found = await diagnose(file, options, around);
  const faults = found.filter(({ severity }) => severity === 'fault').length;
  const took = Math.round(performance.now() - begun);
  if (options.json === true)
    around.write(JSON.stringify({ ok: faults === 0, checks: checks.length, tookMs: took, findings: found }));
  else {
    for (const { check, severity, cause, remedy } of found) {
      around.write(`${severity}  ${check}: ${cause}`);
      around.write(`       mend it: ${remedy}`);
    }
    around.write(`${checks.length} checks in ${took} ms: ${summary(faults, found.length - faults)}`);
  }
  return faults === 0 ? Exit.ok : Exit.failure;
};

const diagnose = async (
  file: string | undefined,
  options: DoctorOptions,
  { env, change = (world) => world }: DoctorAround,
): Promise<readonly Diagnosis[]> => {
  let loaded: Loaded;
  try {
    loaded = loadSettings(originOf(file, options, env));
  } catch (thrown) {
    return unreadable(thrown);
  }
  const { settings, warnings } = loaded;
  const isNamed = file !== undefined || options.service !== undefined;
  const kit = realKit(silent);
  const stop = new AbortController();
  // Every question that is under way listens to it.
  setMaxListeners(0, stop.signal);
  const world = openWorld({
    settings,
    service: isNamed ? (settings.service?.name ?? null) : null,
    kit,
    signal: stop.signal,
    token: consulToken(env),
    env,
  });
  try {
    const risks = warnings.map(({ at, message }): Diagnosis => {
      const remedy = `change it (${at}), unless it is meant so`;
      return { check: 'settings', severity: 'risk', cause: message, remedy };
    });
    return [...risks, ...(await examine(change(world)))];
  } finally {
    stop.abort();
    if (world.door !== null && typeof world.door !== 'string') world.door.close();
    kit.wheel.close();
  }
};

const originOf = (file: string | undefined, options: DoctorOptions, env: NodeJS.ProcessEnv): Origin => {
  const { service, port, upstream = [], freePorts = false } = options;
  // Settings are always somebody's. Who says nothing is asked about nothing of his own.
  const name = service ?? (file === undefined ? 'nobody' : undefined);
  const overlay = {
    ...(name === undefined && port === undefined
      ? {}
      : { service: { ...(name === undefined ? {} : { name }), ...(port === undefined ? {} : { port }) } }),
    ...(upstream.length === 0 ? {} : { upstreams: Object.fromEntries(upstream.map(upstreamOf)) }),
    ...consulOverlay(options),
  };
  return {
    ...(file === undefined ? {} : { file }),
    overlay,
    freePorts: freePorts || file === undefined,
    consul: consulEnvironment(env),
  };
};

/** A name alone is enough to be looked for; its listener is then nobody's. */
const upstreamOf = (text: string): [string, string] => {
  const [name = '', place = '127.0.0.1:0'] = text.split('=');
  return [name, place];
};

const unreadable = (thrown: unknown): readonly Diagnosis[] => {
  if (thrown instanceof SettingsError)
    return thrown.problems.map(({ at, message }) => ({
      check: 'settings',
      severity: 'fault',
      cause: `${at}: ${message}`,
      remedy: 'correct the line; docs/settings.md and outrigger check --schema have all keys',
    }));
  if (!(thrown instanceof UsageError)) throw thrown;
  const at = thrown.message.indexOf(': ');
  const [cause = '', remedy = ''] = thrown.message.slice(at + 2).split(/; (?!.*; )/s);
  return [
    { check: 'environment', severity: 'fault', cause: `${thrown.message.slice(0, at)}: ${cause}`, remedy },
  ];
};

const summary = (faults: number, risks: number): string => {
  const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;
  if (faults + risks === 0) return 'nothing found';
  return [
    ...(faults > 0 ? [counted(faults, 'fault')] : []),
    ...(risks > 0 ? [counted(risks, 'risk')] : []),
  ].join(', ');
};

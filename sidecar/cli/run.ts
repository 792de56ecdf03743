import { resolve } from 'node:path';
import type { Log } from '../core/log.ts';
import type { Origin } from '../settings/load.ts';
import { type App, freePort, startApp } from './app.ts';
import { type ConsulOptions, consulOverlay } from './consul-options.ts';
import { codeOf, type Ending, listenForEnding, within } from './ending.ts';
import { UsageError } from './exit.ts';
import { type StartedSidecar, type Surroundings, startSaying } from './started.ts';

/** Options of `outrigger run`, as commander hands them over. */
export interface RunOptions extends ConsulOptions {
  readonly service?: string;
  /** 0 for a free one. */
  readonly port?: number;
  readonly config?: string;
  /** `name=host:port` each. */
  readonly upstream: readonly string[];
  readonly logLevel?: string;
}

/** Signals that mean something to the app and nothing to the sidecar. */
const passedOn = ['SIGUSR2', 'SIGQUIT', 'SIGCONT'] as const;

/**
 * `outrigger run`: a sidecar and the app, each a child of this process, so that neither takes the other along when it
 * crashes. The app sees OUTRIGGER_APP, OUTRIGGER_SERVICE and, where they were given, PORT and OUTRIGGER_CONFIG. Answers the app's exit code.
 */
export const run = async (
  options: RunOptions,
  command: readonly string[],
  around: Surroundings,
): Promise<number> => {
  const port = options.port === 0 ? await freePort() : options.port;
  const origin = originOf({ ...options, ...(port === undefined ? {} : { port }) });
  const ending = listenForEnding(around.signals);
  try {
    // Nothing that hangs on the way to the app may outlast a second signal.
    const begun = await Promise.race([beforeApp(origin, ending, around), ending.atOnce]);
    if (typeof begun === 'string') return codeOf(begun);
    const { sidecar, settings, log } = begun;
    const app = startApp(command, {
      ...process.env,
      OUTRIGGER_APP: sidecar.ports.app,
      OUTRIGGER_SERVICE: settings.service?.name ?? '',
      ...(options.config === undefined ? {} : { OUTRIGGER_CONFIG: resolve(options.config) }),
      ...(port === undefined ? {} : { PORT: String(port) }),
    });
    return await supervise(app, sidecar, { ending, log, around, appMs: settings.drain.app });
  } finally {
    ending.leave();
  }
};

/** Starts the sidecar and gives it time to be ready. Answers with the signal, and leaves no sidecar, when one came first. */
const beforeApp = async (
  origin: Origin,
  ending: Ending,
  around: Surroundings,
): Promise<Awaited<ReturnType<typeof startSaying>> | NodeJS.Signals> => {
  const started = await startSaying(origin, around);
  const { sidecar, log } = started;
  const ready = within(sidecar.ready, around.patienceMs).catch(async (never) => {
    // Stopped by its control socket: an app beside it could neither be called nor call.
    await sidecar.close();
    throw never;
  });
  const waited = await Promise.race([ready, ending.asked]);
  if (waited === false)
    log.warn({ reasons: await sidecar.notReady() }, 'not ready yet: the app starts all the same');
  if (typeof waited !== 'string') return started;
  await sidecar.close();
  return waited;
};

interface Supervision {
  readonly ending: Ending;
  readonly log: Log;
  readonly around: Surroundings;
  /** Milliseconds between a signal and SIGKILL. */
  readonly appMs: number;
}

const supervise = async (app: App, sidecar: StartedSidecar, watch: Supervision): Promise<number> => {
  const { ending, around } = watch;
  const pass = (signal: NodeJS.Signals): void => app.signal(signal);
  for (const signal of passedOn) around.signals.on(signal, pass);
  const atOnce = ending.atOnce.then((signal) => {
    app.signal('SIGKILL');
    return codeOf(signal);
  });
  try {
    return await Promise.race([atOnce, orderly(app, sidecar, watch)]);
  } finally {
    for (const signal of passedOn) around.signals.off(signal, pass);
  }
};

const orderly = async (app: App, sidecar: StartedSidecar, watch: Supervision): Promise<number> => {
  const { ending, log, around, appMs } = watch;
  const first = await Promise.race([app.ended, ending.asked]);
  if (typeof first === 'string') {
    // The app still answers while calls in flight finish; its own calls go out until it is gone.
    log.info({ signal: first }, 'asked to end');
    await Promise.race([sidecar.drain(), app.ended]);
    // A terminal sends Ctrl-C to the app as well; a second one would read as impatience.
    if (first !== 'SIGINT' || !process.stdin.isTTY) app.signal(first);
    if (!(await within(app.ended, appMs))) {
      log.warn({ waitedMs: appMs }, 'the app did not end: killed');
      app.signal('SIGKILL');
    }
  }
  const code = await app.ended;
  const failure = app.failure();
  if (failure !== null) around.say(`outrigger: ${failure}`);
  log.info({ code }, 'the app ended');
  await sidecar.drain();
  await sidecar.close();
  return code;
};

const originOf = (options: RunOptions): Origin => {
  const { service, port, config, upstream, logLevel } = options;
  if (service === undefined && config === undefined)
    throw new UsageError('who is the app? Write --service NAME, or --config FILE with a service in it');
  const upstreams = Object.fromEntries(upstream.map(upstreamOf));
  const overlay = {
    ...(service === undefined && port === undefined
      ? {}
      : {
          service: {
            ...(service === undefined ? {} : { name: service }),
            ...(port === undefined ? {} : { port }),
          },
        }),
    ...consulOverlay(options),
    ...(upstream.length === 0 ? {} : { upstreams }),
    ...(logLevel === undefined ? {} : { log: { level: logLevel } }),
  };
  return { ...(config === undefined ? {} : { file: config }), overlay, freePorts: true };
};

const upstreamOf = (text: string): [string, string] => {
  const split = text.indexOf('=');
  if (split < 1)
    throw new UsageError(
      `--upstream must be NAME=HOST:PORT, such as inventory=127.0.0.1:9191, not '${text}'`,
    );
  return [text.slice(0, split), text.slice(split + 1)];
};

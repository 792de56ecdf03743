import type { Origin } from '../settings/load.ts';
import { switchLevelBySignal } from '../telemetry/level-signal.ts';
import { type ConsulOptions, consulOverlay } from './consul-options.ts';
import { codeOf, listenForEnding, within } from './ending.ts';
import { Exit } from './exit.ts';
import { type Surroundings, startSaying } from './started.ts';

/** Options of `outrigger sidecar`, as commander hands them over. */
export interface SidecarOptions extends ConsulOptions {
  readonly config: string;
  /** What a host learns only when it runs: its own address in a pod, for one. */
  readonly advertise?: string;
}

/** `outrigger sidecar`: runs until a signal; the first one drains, the second ends at once. Answers the exit code. */
export const sidecar = async (options: SidecarOptions, around: Surroundings): Promise<number> => {
  // Heard from the start: a signal while Consul is asked must not be lost.
  const ending = listenForEnding(around.signals);
  const atOnce = ending.atOnce.then(codeOf);
  const leaving: (() => void)[] = [];
  try {
    return await Promise.race([atOnce, serve(originOf(options), around, ending.asked, leaving)]);
  } finally {
    ending.leave();
    for (const leave of leaving) leave();
  }
};

const originOf = (options: SidecarOptions): Origin => ({
  file: options.config,
  overlay: {
    ...consulOverlay(options),
    ...(options.advertise === undefined ? {} : { advertise: options.advertise }),
  },
});

const serve = async (
  origin: Origin,
  around: Surroundings,
  asked: Promise<NodeJS.Signals>,
  leaving: (() => void)[],
): Promise<number> => {
  const { sidecar: started, settings, log } = await startSaying(origin, around);
  leaving.push(switchLevelBySignal(log, around.signals));
  const ready = within(started.ready, around.patienceMs).catch((never: Error) => never);
  const waited = await Promise.race([ready, asked]);
  if (waited === false) log.warn({ reasons: await started.notReady() }, 'not ready yet');
  // Drained by its control socket: like one that is drained later, it stays until it is asked to end.
  if (waited instanceof Error) log.warn({ cause: waited.message }, 'it will not become ready');
  log.info({ signal: await asked }, 'asked to end');
  await started.drain();
  // The app may have calls of its own to finish: its way out stays open until it is gone.
  await within(started.appGone(), settings.drain.app);
  await started.close();
  log.info({}, 'ended');
  return Exit.ok;
};

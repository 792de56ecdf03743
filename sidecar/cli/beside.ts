import { messageOf } from '../core/thrown.ts';
import { freeze } from '../settings/freeze.ts';
import type { Origin } from '../settings/load.ts';
import type { Settings } from '../settings/settings.ts';
import { Exit } from './exit.ts';
import { type StartedSidecar, type Surroundings, settingsFile } from './started.ts';

/** What `run` says to the process of its sidecar. */
export type Told =
  | { readonly please: 'start'; readonly settings: Settings; readonly origin: Origin }
  | { readonly please: 'say why' | 'drain' | 'close' };

/** What the process of a sidecar says to `run`. */
export type Said =
  | { readonly event: 'listening'; readonly ports: StartedSidecar['ports'] }
  | { readonly event: 'failed' | 'never ready'; readonly why: string }
  | { readonly event: 'not ready'; readonly reasons: readonly string[] }
  | { readonly event: 'ready' | 'drained' };

/** The process that started this one, by the channel between them. */
export interface Parent {
  on(event: 'message', listener: (told: Told) => void): unknown;
  on(event: 'disconnect', listener: () => void): unknown;
  /** `done` once the words are on their way. */
  send(said: Said, done: () => void): void;
}

/** Signals that are for `run` and its app: a terminal and an init system send them to every process of a group. */
const notOurs = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2', 'SIGQUIT'] as const;

/**
 * The sidecar of `outrigger run`, in a process of its own that `run` starts and ends. When `run` is gone without a
 * word, whatever ended it, the sidecar drains and ends: nobody would end it otherwise.
 */
export const beside = async (parent: Parent, around: Surroundings): Promise<number> => {
  const ignore = (): void => {};
  for (const signal of notOurs) around.signals.on(signal, ignore);
  const say = (said: Said): Promise<void> => new Promise((done) => parent.send(said, done));
  try {
    return await serve(parent, around, say);
  } catch (error) {
    await say({ event: 'failed', why: messageOf(error) });
    return Exit.failure;
  } finally {
    for (const signal of notOurs) around.signals.off(signal, ignore);
  }
};

const serve = async (
  parent: Parent,
  around: Surroundings,
  say: (said: Said) => Promise<void>,
): Promise<number> => {
  let begin!: (told: Extract<Told, { please: 'start' }>) => void;
  const begun = new Promise<Extract<Told, { please: 'start' }>>((resolve) => (begin = resolve));
  let end!: (how: 'closed' | 'left') => void;
  const over = new Promise<'closed' | 'left'>((resolve) => (end = resolve));
  let sidecar: StartedSidecar | null = null;
  parent.on('disconnect', () => end('left'));
  parent.on('message', (told) => {
    if (told.please === 'start') begin(told);
    else if (told.please === 'close') end('closed');
    else if (told.please === 'drain')
      void Promise.resolve(sidecar?.drain()).then(() => say({ event: 'drained' }));
    else
      void Promise.resolve(sidecar?.notReady() ?? ['it is starting']).then((reasons) =>
        say({ event: 'not ready', reasons }),
      );
  });
  const told = await Promise.race([begun, over]);
  if (typeof told === 'string') return Exit.ok;
  const { origin } = told;
  const settings = freeze(told.settings);
  const log = around.openLog(settings);
  const started = await around.start(settings, { log, origin, ...settingsFile(origin, around) });
  sidecar = started;
  void say({ event: 'listening', ports: started.ports });
  started.ready.then(
    () => say({ event: 'ready' }),
    (never: Error) => say({ event: 'never ready', why: never.message }),
  );
  if ((await over) === 'left') {
    log.error({}, 'outrigger run is gone: the sidecar drains and ends');
    await started.drain();
  }
  await started.close();
  return Exit.ok;
};

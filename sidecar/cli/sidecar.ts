import { codeOf, listenForEnding } from './ending.ts';
import { Exit } from './exit.ts';
import { type Surroundings, startSaying } from './started.ts';

/** `outrigger sidecar`: runs until a signal; the first one drains, the second ends at once. Answers the exit code. */
export const sidecar = async (options: { config: string }, around: Surroundings): Promise<number> => {
  // Heard from the start: a signal while Consul is asked must not be lost.
  const ending = listenForEnding(around.signals);
  const atOnce = ending.atOnce.then(codeOf);
  try {
    return await Promise.race([atOnce, serve(options.config, around, ending.asked)]);
  } finally {
    ending.leave();
  }
};

const serve = async (
  config: string,
  around: Surroundings,
  asked: Promise<NodeJS.Signals>,
): Promise<number> => {
  const { sidecar: started, log } = await startSaying({ file: config }, around);
  started.ready.then(
    () => log.info({}, 'ready'),
    (error: Error) => log.error({ error }, 'not ready'),
  );
  const signal = await asked;
  log.info({ signal }, 'draining');
  await started.drain();
  await started.close();
  log.info({}, 'stopped');
  return Exit.ok;
};
